#include <unistd.h>

#include "milter/mail_queue/mail_queue.hpp"
#include "milter/mail_queue/postfix_queue.hpp"
#include "milter/mail_queue/queue_id.hpp"
#include "milter/mail_queue/sendmail_queue.hpp"

namespace milter::mail_queue {

quota::Result<std::unique_ptr<MailQueue>, std::string> open(const Settings& settings) {
  using Queue = std::unique_ptr<MailQueue>;
  const auto& mta = settings.mta;
  if (!mta.empty() && mta != "postfix" && mta != "sendmail") return quota::failed<Queue>("\"" + printable(mta) + "\" is no MTA; write postfix or sendmail, or leave it out");
  if (mta != "sendmail") {
    if (const auto postconf = find_postconf(); !postconf.empty()) return PostfixQueue::open(postconf, settings.config);
  }
  if (mta == "postfix") return quota::failed<Queue>("Postfix is not here: no postconf in /usr/sbin, /usr/local/sbin or /usr/bin");
  // Exim and others have a /usr/sbin/sendmail too.
  const auto program = find_sendmail();
  const bool has_config = !settings.config.empty() || ::access("/etc/mail/sendmail.cf", R_OK) == 0;
  if (!program.empty() && has_config) return SendmailQueue::open(program, settings.config);
  if (mta == "sendmail") return quota::failed<Queue>("Sendmail is not here: no program of that name, or no /etc/mail/sendmail.cf");
  return quota::failed<Queue>("neither Postfix (postconf) nor Sendmail (/etc/mail/sendmail.cf) is here");
}

}  // namespace milter::mail_queue
