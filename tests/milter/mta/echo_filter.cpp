// A filter that does what it is told, on the real libmilter: `echo_filter SOCKET STEPS [STAGE=MACRO NAMES]...`.
//
// It asks for the protocol steps STEPS (a number as for strtoul) and for the macro lists given. What it answers stands
// in what the MTA says: the words `rcpt=reject` in the connecting host, the helo name, the sender, the recipient or the
// unknown command say how the stage `rcpt` is answered; what the sender says holds for the whole message. It prints
// each callback as a line `stage arguments | name=value...` with all macros it can read. It never ends by itself.
#include <libmilter/mfapi.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

unsigned long steps = 0;
std::vector<std::pair<int, std::string>> macro_lists;

struct Memory {
  std::string host, helo, sender;
};

Memory& memory_of(SMFICTX* context) {
  if (smfi_getpriv(context) == nullptr) smfi_setpriv(context, new Memory);
  return *static_cast<Memory*>(smfi_getpriv(context));
}

void print(const std::string& line) {
  // One write a line: callbacks come on several threads.
  const auto text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(2);
}

std::string macros_of(SMFICTX* context) {
  constexpr std::array names = {"j",           "_",           "{daemon_name}", "{daemon_addr}", "v",
                                "i",           "{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}",
                                "{mail_host}", "{rcpt_addr}", "{client_addr}", "{client_port}", "{made_up}"};
  std::string text = " |";
  for (const char* name : names) {
    std::string copy = name;
    const char* value = smfi_getsymval(context, copy.data());
    if (value != nullptr) text += " " + copy + "=" + value;
  }
  return text;
}

sfsistat reply(SMFICTX* context, const char* code, const char* enhanced, const char* text) {
  std::string copies[] = {code, enhanced, text};
  smfi_setreply(context, copies[0].data(), copies[1].data(), copies[2].data());
  return *code == '4' ? SMFIS_TEMPFAIL : SMFIS_REJECT;
}

sfsistat reply_in_lines(SMFICTX* context) {
  char first[] = "first", second[] = "second";
  smfi_setmlreply(context, "451", "4.7.1", first, second, static_cast<char*>(nullptr));
  return SMFIS_TEMPFAIL;
}

sfsistat quarantine(SMFICTX* context, sfsistat then) {
  char reason[] = "quota reached: 100% of 3";
  smfi_quarantine(context, reason);
  return then;
}

sfsistat change(SMFICTX* context) {
  char name[] = "X-A", value[] = "one", empty[] = "", address[] = "new@b.test", arguments[] = "NOTIFY=NEVER";
  unsigned char body[] = "body";
  smfi_addheader(context, name, value);
  smfi_insheader(context, 0, name, value);
  smfi_chgheader(context, name, 2, empty);
  smfi_addrcpt(context, address);
  smfi_addrcpt_par(context, address, arguments);
  smfi_delrcpt(context, address);
  smfi_chgfrom(context, address, nullptr);
  smfi_replacebody(context, body, 4);
  return SMFIS_CONTINUE;
}

[[noreturn]] void hang() {
  for (;;) pause();
}

sfsistat obey(SMFICTX* context, std::string_view word, sfsistat otherwise) {
  if (word == "accept") return SMFIS_ACCEPT;
  if (word == "reject") return SMFIS_REJECT;
  if (word == "tempfail") return SMFIS_TEMPFAIL;
  if (word == "discard") return SMFIS_DISCARD;
  if (word == "skip") return SMFIS_SKIP;
  if (word == "r450") return reply(context, "450", "4.7.1", "100%% of the quota");
  if (word == "r550") return reply(context, "550", "5.7.1", "never");
  if (word == "r421") return reply(context, "421", "4.7.0", "go away");
  if (word == "lines") return reply_in_lines(context);
  if (word == "quarantine") return quarantine(context, SMFIS_CONTINUE);
  if (word == "quarantineaccept") return quarantine(context, SMFIS_ACCEPT);
  if (word == "quarantinetempfail") return quarantine(context, SMFIS_TEMPFAIL);
  if (word == "progress") smfi_progress(context);
  if (word == "change") return change(context);
  if (word == "die") _exit(1);
  if (word == "hang") hang();
  return otherwise;
}

/// The word after `stage=` in `text`.
std::string_view word_for(const std::string& stage, std::string_view text) {
  const auto key = stage + "=";
  const auto at = text.find(key);
  if (at == std::string_view::npos) return {};
  const auto rest = text.substr(at + key.size());
  return rest.substr(0, rest.find_first_of("@.> \r\n"));
}

sfsistat answer(SMFICTX* context, const std::string& stage, const std::string& text, unsigned long no_reply_step) {
  print(stage + " " + text + macros_of(context));
  const auto& memory = memory_of(context);
  const auto otherwise = (steps & no_reply_step) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
  for (const auto* source : {&text, &memory.sender, &memory.helo, &memory.host})
    if (const auto word = word_for(stage, *source); !word.empty()) return obey(context, word, otherwise);
  return otherwise;
}

std::string joined(char** words) {
  std::string text;
  for (; *words != nullptr; ++words) text += (text.empty() ? "" : " ") + std::string(*words);
  return text;
}

sfsistat on_negotiate(SMFICTX* context, unsigned long actions, unsigned long offered, unsigned long, unsigned long,
                      unsigned long* wanted_actions, unsigned long* wanted_steps, unsigned long*, unsigned long*) {
  *wanted_actions = actions;
  *wanted_steps = steps & offered;
  for (auto& [stage, names] : macro_lists) smfi_setsymlist(context, stage, names.data());
  return SMFIS_CONTINUE;
}

sfsistat on_connect(SMFICTX* context, char* host, _SOCK_ADDR*) {
  memory_of(context).host = host;
  return answer(context, "connect", host, SMFIP_NR_CONN);
}
sfsistat on_helo(SMFICTX* context, char* name) {
  memory_of(context).helo = name;
  return answer(context, "helo", name, SMFIP_NR_HELO);
}
sfsistat on_mail(SMFICTX* context, char** arguments) {
  memory_of(context).sender = *arguments;
  return answer(context, "mail", joined(arguments), SMFIP_NR_MAIL);
}
sfsistat on_rcpt(SMFICTX* context, char** arguments) {
  return answer(context, "rcpt", joined(arguments), SMFIP_NR_RCPT);
}
sfsistat on_data(SMFICTX* context) { return answer(context, "data", "", SMFIP_NR_DATA); }
sfsistat on_unknown(SMFICTX* context, const char* line) { return answer(context, "unknown", line, SMFIP_NR_UNKN); }
sfsistat on_header(SMFICTX* context, char* name, char* value) {
  return answer(context, "header", std::string(name) + "[" + value + "]", SMFIP_NR_HDR);
}
sfsistat on_end_of_headers(SMFICTX* context) { return answer(context, "eoh", "", SMFIP_NR_EOH); }
sfsistat on_body(SMFICTX* context, unsigned char*, size_t size) {
  return answer(context, "body", std::to_string(size), SMFIP_NR_BODY);
}
sfsistat on_end_of_message(SMFICTX* context) { return answer(context, "eom", "", 0); }
sfsistat on_abort(SMFICTX*) {
  print("abort");
  return SMFIS_CONTINUE;
}
sfsistat on_close(SMFICTX* context) {
  delete static_cast<Memory*>(smfi_getpriv(context));
  smfi_setpriv(context, nullptr);
  print("close");
  return SMFIS_CONTINUE;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  steps = std::strtoul(argv[2], nullptr, 0);
  for (int i = 3; i < argc; ++i) macro_lists.emplace_back(std::atoi(argv[i]), std::strchr(argv[i], '=') + 1);
  char name[] = "echo_filter";
  smfiDesc description{name,      SMFI_VERSION,      0x1ff,   on_connect,        on_helo,  on_mail,  on_rcpt,
                       on_header, on_end_of_headers, on_body, on_end_of_message, on_abort, on_close, on_unknown,
                       on_data,   on_negotiate};
  if (smfi_register(description) != MI_SUCCESS || smfi_setconn(argv[1]) != MI_SUCCESS) return 69;
  if (smfi_opensocket(0) != MI_SUCCESS) return 69;
  print("ready");  // it listens; a client that connects before smfi_main accepts has only to wait
  return smfi_main();
}
