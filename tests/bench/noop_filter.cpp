// bench_noop ADDRESS [no-headers]: a filter on libmilter that negotiates as sendquotad does, asks for the same macros, keeps
// nothing and accepts: what libmilter itself costs, and so the limit of any filter on it.
#include <libmilter/mfapi.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace {

bool wants_headers = true;

sfsistat on_connect(SMFICTX*, char*, _SOCK_ADDR*) { return SMFIS_NOREPLY; }
sfsistat on_helo(SMFICTX*, char*) { return SMFIS_NOREPLY; }
sfsistat on_mail(SMFICTX*, char**) { return SMFIS_CONTINUE; }
sfsistat on_rcpt(SMFICTX*, char**) { return SMFIS_NOREPLY; }
sfsistat on_data(SMFICTX*) { return SMFIS_NOREPLY; }
sfsistat on_header(SMFICTX*, char*, char*) { return SMFIS_NOREPLY; }
sfsistat on_end_of_message(SMFICTX*) { return SMFIS_CONTINUE; }

sfsistat on_negotiate(SMFICTX* context, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long* actions, unsigned long* steps,
                      unsigned long* none1, unsigned long* none2) {
  *actions = SMFIF_QUARANTINE;
  *steps = SMFIP_NOUNKNOWN | SMFIP_NOBODY | SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH |
           SMFIP_NR_BODY;
  if (!wants_headers) *steps |= SMFIP_NOHDRS | SMFIP_NOEOH;
  *none1 = *none2 = 0;
  // libmilter's symbols are not const-correct; it copies.
  const auto ask = [&](int stage, const char* names) { smfi_setsymlist(context, stage, const_cast<char*>(names)); };
  ask(SMFIM_CONNECT, "j {daemon_name}");
  ask(SMFIM_ENVFROM, "i {auth_type} {auth_authen}");
  ask(SMFIM_EOM, "i");
  return SMFIS_CONTINUE;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bench_noop ADDRESS [no-headers]\n"), 2;
  wants_headers = argc < 3 || std::strcmp(argv[2], "no-headers") != 0;
  static char name[] = "noop";
  smfiDesc filter{};
  filter.xxfi_name = name;
  filter.xxfi_version = SMFI_VERSION;
  filter.xxfi_flags = SMFIF_QUARANTINE;
  filter.xxfi_connect = on_connect;
  filter.xxfi_helo = on_helo;
  filter.xxfi_envfrom = on_mail;
  filter.xxfi_envrcpt = on_rcpt;
  filter.xxfi_header = on_header;
  filter.xxfi_eoh = on_data;
  filter.xxfi_eom = on_end_of_message;
  filter.xxfi_data = on_data;
  filter.xxfi_negotiate = on_negotiate;
  ::umask(0);
  smfi_setbacklog(512);
  if (smfi_register(filter) == MI_FAILURE || smfi_setconn(argv[1]) == MI_FAILURE || smfi_opensocket(true) == MI_FAILURE) return 1;
  return smfi_main() == MI_SUCCESS ? 0 : 1;
}
