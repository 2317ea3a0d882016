# Completion of sendquota for bash: commands, options, their words, and senders as the daemon knows them.

_sendquota_senders() { # COMMAND...: the identities in its answer
  sendquota "$@" --json 2>/dev/null | grep -o '"identity":"[^"]*"' | cut -d'"' -f4 |
    grep -xE '[A-Za-z0-9@._+=:/%*-]+'   # compgen -W expands what a shell would
}

_sendquota() {
  local queue_options="--dry-run --with-bounces --all-hosts --wait --reason --mta --mta-config"
  local line=${COMP_LINE:0:COMP_POINT} words word command= previous= current candidates=
  current=${line##*[[:space:]]}
  read -ra words <<<"${line%"$current"}"
  for word in "${words[@]:1}"; do
    case $previous in --socket | --config | --of) ;; *) [[ $word == -* || $command ]] || command=$word ;; esac
    previous=$word
  done
  case $previous in
    --by) candidates="messages recipients refused held networks" ;;
    --per) candidates="user user_domain script uid sender sender_domain client account" ;;
    --since | --for) candidates="1h 1d 7d 30d" ;;
    --wait) candidates="30s 5m 1h" ;;
    --held) candidates="send delete keep" ;;
    --mta) candidates="postfix sendmail" ;;
    --of) candidates="$(_sendquota_senders blocked) $(_sendquota_senders held) $(_sendquota_senders top)" ;;
    --count | --reason | --user | --sender | --client | --script | --host | --recipients) return ;;
    --socket | --config | --milter | --mta-config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    *)
      case $command in
        '') candidates="status blocked nodes limits top show events who incident report held queue release unblock block limit reload mode check-config try --version --help" ;;
        top) candidates="--by --per --since --count --watch" ;;
        events) candidates="--count --follow $(_sendquota_senders blocked)" ;;
        who) candidates="--count" ;;
        report) candidates="--since" ;;
        held) candidates="--send --delete --at-once $queue_options $(_sendquota_senders held)" ;;
        queue) candidates="--of --hold --send --delete $queue_options" ;;
        release | unblock) candidates="--held --wait --reason $(_sendquota_senders blocked)" ;;
        show | incident) candidates="$(_sendquota_senders blocked) $(_sendquota_senders top)" ;;
        block) candidates="--for --reason $(_sendquota_senders top)" ;;
        limit) candidates="--for unlimited none inherit remove $(_sendquota_senders top)" ;;
        mode) candidates="observe enforce config --for" ;;
        check-config) COMPREPLY=($(compgen -f -- "$current")); return ;;
        try) candidates="--milter --user --sender --client --script --host --count --recipients" ;;
      esac
      [[ $current == -* ]] && candidates+=" --json --socket --config --help"
      ;;
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
  # Readline replaces only what is behind the last : or @ of the word.
  local kept=${current%"${current##*[:@=]}"}
  COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}

complete -F _sendquota sendquota
