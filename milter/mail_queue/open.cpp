#include <unistd.h>

#include "milter/mail_queue/mail_queue.hpp"
#include "milter/mail_queue/postfix_queue.hpp"
#include "milter/mail_queue/queue_id.hpp"

namespace milter::mail_queue {

quota::Result<std::unique_ptr<MailQueue>, std::string> open(const Settings& settings) {
  using Queue = std::unique_ptr<MailQueue>;
  const auto& mta = settings.mta;
  if (!mta.empty() && mta != "postfix" && mta != "sendmail") return quota::failed<Queue>("\"" + printable(mta) + "\" is no MTA; write postfix or sendmail, or leave it out");
  const auto postconf = find_postconf();
  if (mta != "sendmail" && !postconf.empty()) return PostfixQueue::open(postconf, settings.config);
  return quota::failed<Queue>("Postfix is not here: no postconf in /usr/sbin, /usr/local/sbin or /usr/bin");
}

}  // namespace milter::mail_queue
