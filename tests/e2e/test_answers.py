"""Every callback and every answer that sendquotad can give there, told by miltertest(1) and read off the wire.

Each case is a row: what the configuration says, what the MTA reports, what it is told, what is counted and logged.
Answers that decide nothing (see rig/milterplay.py) are left out of `want` and checked for all cases at once: nobody is
answered who has been asked to be silent, everybody else exactly once.
"""

import re
from dataclasses import dataclass, field

import pytest

from rig import Daemon, Redis, wait_for
from rig.milterplay import MODERN, OLD, WITHOUT_QUARANTINE, begin, message, play, rest, session, told

HOST = "mx1.example.test"
ALICE = "alice@example.test"
AT_A_TIME = r"try again at [-0-9: ]+ [+-]\d{4}"


def quota(limits, per="user", name="mailbox", **further):
    return {"name": name, "per": per, "limits": [limits] if isinstance(limits, str) else limits, **further}


def config(*quotas, **sections):
    return {**sections, "quota": list(quotas)}


def over(used):
    """The reply to alice, who has used that much of her mailbox."""
    return rf"reply 451 4\.7\.1 Sending limit reached: {used} \(quota mailbox, user:alice@example\.test\); " + AT_A_TIME


@dataclass
class Case:
    name: str
    config: dict
    steps: list
    want: list                                    # regular expressions, one for each answer
    mtas: tuple = (MODERN, OLD)
    orders: tuple = ()                            # `sendquota` commands given before
    counted: dict = field(default_factory=dict)   # of `status`: its `mail` and `signals`
    logged: tuple = ()                            # regular expressions, each found in its log exactly once

    def __str__(self):
        return self.name


TWO = config(quota("2 messages / 30d"))
OURS = ["mail: continue", "eom: continue"]                 # a message of ours that passes
LOCAL = {"identity": {"local_daemon_names": ["LOCAL"]}}
FROM_HERE = session("127.0.0.1", "localhost", "LOCAL", HOST)
BLOCKED = ("block", ALICE, "--reason", "ticket 4711")
NOT_ABUSE = {"exempt": {"recipients": ["abuse@example.test"]}}
TO_ABUSE = {"recipients": ("<abuse@example.test>",)}
HELD_HERE = f"eom: quarantine sendquota: quota web, client:local/{HOST}, 1 of 1 messages"
WEB = quota("1 messages / 30d", per="client", name="web", when="local", action="quarantine")

MAIL_CASES = [
    Case("mail from outside is accepted at MAIL and never asked of again", TWO,
         [*session(), *begin(), *begin(), *begin()], ["mail: accept"] * 3, counted={"inbound": 3, "accepted": 0}),
    Case("a login on the same connection is judged after mail from outside", TWO,
         [*session(), *begin(), *message(ALICE)], ["mail: accept", *OURS], counted={"inbound": 1, "accepted": 1}),
    Case("a sender over its limit is refused at its end, then at MAIL", TWO,
         [*session(), *message(ALICE) * 3, *begin(ALICE)],
         [*OURS * 2, "mail: continue", "eom: " + over("2 of 2 messages"), "mail: " + over("2 of 2 messages")],
         counted={"accepted": 2, "tempfailed": 2, "refused_early": 1}, logged=("NOQUEUE: .*verdict=tempfail, .*stage=MAIL",)),
    Case("a quota that rejects answers 5xx, at the end and at MAIL", config(quota("1 messages / 30d", action="reject")),
         [*session(), *message(ALICE) * 2, *begin(ALICE)],
         [*OURS, "mail: continue", "eom: reply 550 5.7.1 Sending limit reached: 1 of 1 messages .*", "mail: reply 550 5.7.1 Sending limit.*"],
         counted={"rejected": 2}),
    Case("a limit of none is refused for good at MAIL", config(quota("none")), [*session(), *begin(ALICE)],
         [r"mail: reply 550 5\.7\.1 Sending is not allowed \(quota mailbox, user:alice@example\.test\)"], counted={"rejected": 1}),
    Case("a sender blocked until released is rejected at MAIL", TWO, [*session(), *begin(ALICE), *message("bob@example.test")],
         [r"mail: reply 550 5\.7\.1 Sending is blocked \(user:alice@example\.test\)", *OURS], orders=(BLOCKED,),
         logged=("identity=user:alice@example.test.*reason=ticket%204711.*stage=MAIL",)),
    Case("a sender blocked for a time is told when it ends", TWO, [*session(), *begin(ALICE)],
         [r"mail: reply 550 5\.7\.1 Sending is blocked \(user:alice@example\.test\); " + AT_A_TIME], orders=(("block", ALICE, "--for", "1h"),)),
    Case("a public reason of a block is shown", TWO, [*session(), *begin(ALICE)],
         [r"mail: reply 550 5\.7\.1 Sending is blocked \(user:alice@example\.test\): call us"],
         orders=(("block", ALICE, "--reason", "public: call us"),)),
    Case("two logins on one connection are two senders", config(quota("1 messages / 30d")),
         [*session(), *message(ALICE), *message("bob@example.test"), *message(ALICE)],
         [*OURS, *OURS, "mail: continue", "eom: " + over("1 of 1 messages")]),
    Case("spellings of a login and the null sender are one sender", config(quota("3 messages / 30d")),
         [*session(), *message("alice"), *message("ALICE@Example.TEST."), *message(" alice ", sender="<>"), *message(ALICE)],
         [*OURS * 3, "mail: continue", "eom: " + over("3 of 3 messages")]),
    Case("what a client says of its author is never its login", TWO,
         [*session(), *begin(macros={"{auth_author}": ALICE}, parameters=("AUTH=alice@example.test",)),
          *message(macros={"{auth_type}": "PLAIN", "{auth_authen}": "bob", "{auth_author}": ALICE})],
         ["mail: accept", *OURS], counted={"inbound": 1, "accepted": 1}, logged=("sasl_username=bob,",)),
    Case("a login without a mechanism is no login", TWO, [*session(), *begin(macros={"{auth_authen}": ALICE})], ["mail: accept"],
         counted={"inbound": 1, "without_login": 0}),
    Case("a missing auth_authen is said once, and its mail is uncovered", TWO,
         [*session(), *message(macros={"{auth_type}": "PLAIN"}) * 3], OURS * 3,
         counted={"uncovered": 3, "without_login": 3, "inbound": 0}, logged=(r"warning: .*sent no \{auth_authen\}.*\{auth_type\} and \{auth_authen\}",)),
]

RCPT_CASES = [
    Case("a blocked sender reaches exempt recipients only", config(quota("2 messages / 30d"), **NOT_ABUSE),
         [*session(), *begin(ALICE), *rest(recipients=("<dest@remote.test>", "<abuse@example.test>", "<other@remote.test>"))],
         ["mail: continue", "rcpt: reply 550 5.7.1 Sending is blocked .*", "rcpt: reply 550 5.7.1 Sending is blocked .*", "eom: continue"],
         orders=(BLOCKED,), counted={"refused_early": 1, "rejected": 1, "accepted": 1}, logged=("stage=RCPT", "cause=exempt")),
    Case("all recipients refused, then a message that passes", config(quota("2 messages / 30d"), **NOT_ABUSE),
         [*session(), *begin(ALICE), ("rcpt", "<dest@remote.test>"), ("abort",), *message(ALICE, **TO_ABUSE)],
         ["mail: continue", "rcpt: reply 550 5.7.1 .*", *OURS], orders=(BLOCKED,)),
    Case("a sender over its limit is refused at RCPT where some are exempt", config(quota("1 messages / 30d"), **NOT_ABUSE),
         [*session(), *message(ALICE) * 2, *begin(ALICE), ("rcpt", "<dest@remote.test>"), ("abort",), *message(ALICE, **TO_ABUSE)],
         [*OURS, "mail: continue", "eom: reply 451 4.7.1 .*", "mail: continue", "rcpt: " + over("1 of 1 messages"), *OURS]),
]

END_CASES = [
    Case("recipients are only known at the end", config(quota("3 recipients / 30d")),
         [*session(), *message(ALICE, recipients=("<a@r.test>", "<b@r.test>")) * 2, *message(ALICE), *message(ALICE)],
         [*OURS, "mail: continue", "eom: " + over("2 of 3 recipients"), *OURS, "mail: continue",
          "eom: " + over("3 of 3 recipients")], logged=("nrcpt=2,.*verdict=accept", "nrcpt=2,.*verdict=tempfail")),
    Case("too many recipients for one message is permanent", config(quota(["9 messages / 30d", "2 recipients / message"])),
         [*session(), *message(ALICE, recipients=("<a@r.test>", "<b@r.test>", "<c@r.test>"))],
         ["mail: continue", r"eom: reply 550 5\.5\.3 Message exceeds its sending limit: 3 recipients in one message, at most 2 .*split it.*"]),
    Case("a message larger than a bucket is permanent", config(quota("500B / 30d")),
         [*session(), *message(ALICE, body="x" * 600), *message(ALICE)],
         ["mail: continue", r"eom: reply 552 5\.3\.4 Message exceeds its sending limit: .*at most 500.*", *OURS], logged=("size=616,",)),
    Case("a declared size counts where it is larger", config(quota("500B / 30d")),
         [*session(), *message(ALICE, parameters=("SIZE=501",))], ["mail: continue", r"eom: reply 552 5\.3\.4 .*"], logged=("size=501,",)),
    Case("a quota that quarantines holds mail of a login", config(quota("1 messages / 30d", action="quarantine")),
         [*session(), *message(ALICE) * 2, *message(ALICE)],
         [*OURS, *["mail: continue", "eom: quarantine sendquota: quota mailbox, user:alice@example.test, 1 of 1 messages",
                   "eom: accept"] * 2], counted={"held": 2}),
    Case("the worst of several actions decides", config(quota("1 messages / 30d", name="a", action="quarantine"), quota("1 messages / 30d", name="b"),
                                                        quota("1 messages / 30d", name="c", action="reject")),
         [*session(), *message(ALICE) * 2], [*OURS, "mail: continue", r"eom: reply 550 5\.7\.1 .*quota c.*"]),
    *(Case(f"a message without {without}", config(quota("1 messages / 30d"), quota(limit, name="php", **how)),
           [*session(), *[step for step in message(ALICE, headers=()) if step[0] != without] * 2], [*OURS, "mail: continue", "eom: " + over("1 of 1 messages")])
      for without in ("headers", "body") for limit, how in [("9 messages / 30d", {}), ("9 messages / 30d", {"per": ["script", "user"]}),
                                                             ("1GB / 30d", {})]),
    Case("observing lets everything pass and says so", config(quota("1 messages / 30d"), mode="observe"),
         [*session(), *message(ALICE) * 3, *begin(ALICE)], [*OURS * 3, "mail: continue"], counted={"accepted": 3, "observed": 2}),
    Case("outgoing mail that no quota covers is counted", config(quota("1 messages / 30d", per="script", when="local", action="quarantine")),
         [*session(), *message(ALICE)], OURS, counted={"uncovered": 1}, logged=("cause=uncovered",)),
]

LOCAL_CASES = [
    Case("local mail over its limit is held, never refused", config(quota("1 messages / 30d", per="client", name="web"), **LOCAL),
         [*FROM_HERE, *message() * 2, *begin()], [*OURS, "mail: continue", HELD_HERE, "eom: accept", "mail: continue"], counted={"held": 1}),
    Case("a client without an address is local", config(WEB), [*session("unspec", "localhost", "other"), *message() * 2],
         [*OURS, "mail: continue", HELD_HERE, "eom: accept"]),
    Case("a blocked local sender is held at the end", config(quota("9 messages / 30d", per="sender"), **LOCAL),
         [*FROM_HERE, *message()], ["mail: continue", "eom: quarantine sendquota: sender:alice@example.test is blocked", "eom: accept"],
         orders=(("block", "sender:alice@example.test"),)),
    Case("a trusted relay's mail is held too", config(WEB, identity={"trusted_relays": ["192.0.2.7"]}),
         [*session("192.0.2.7"), *message() * 2],
         [*OURS, "mail: continue", "eom: quarantine sendquota: quota web, client:192.0.2.7, 1 of 1 messages", "eom: accept"]),
    Case("a quota for local mail may reject", config({**WEB, "action": "reject"}, **LOCAL), [*FROM_HERE, *message() * 2],
         [*OURS, "mail: continue", r"eom: reply 550 5\.7\.1 Sending limit reached: 1 of 1 messages \(quota web\); " + AT_A_TIME]),
    *(Case(f"beyond the bottom of the hold queue: {then}", config(WEB, hold={"max": 1, "then": then}, **LOCAL),
           [*FROM_HERE, *message() * 2, *message(recipients=("<a@r.test>", "<b@r.test>"))],
           [*OURS, "mail: continue", HELD_HERE, "eom: accept", "mail: continue", *want], counted=counted, logged=logged)
      for then, want, counted, logged in [
          ("discard", ["eom: discard"], {"held": 1, "discarded": 1},
           ("error: 4XyZ01: discarded: .*to=<a@r.test>", "error: 4XyZ01: discarded: .*to=<b@r.test>", "verdict=discard", "event=hold_full")),
          ("reject", [r"eom: reply 550 5\.7\.1 Sending limit reached.*"], {"discarded": 0}, ("event=hold_full",)),
          ("hold", [HELD_HERE, "eom: accept"], {"held": 2}, ("event=hold_full",))]),
    Case("without quarantine what should be held is tempfailed, never accepted", config(WEB, **LOCAL), [*FROM_HERE, *message() * 3],
         [*OURS, *["mail: continue", r"eom: reply 451 4\.3\.0 The message cannot be held at the moment; try again later"] * 2],
         mtas=(WITHOUT_QUARANTINE,), counted={"quarantine_failed": 2, "accepted": 1}, logged=("warning: the MTA offers no quarantine",)),
]

# Where a message is given up: nothing of it is charged, and the next one is judged by itself.
WHOLE = [*begin(ALICE), *rest(recipients=("<a@r.test>", "<b@r.test>"))]
GIVEN_UP = [step for step in range(1, len(WHOLE)) if WHOLE[step][0] != "macro"]
ABORT_CASES = [
    Case(f"after {WHOLE[step][0]} {step} comes {how[0][0] if how else 'MAIL'}", config(quota("1 messages / 30d"), quota("500B / 30d", name="size")),
         [*session(), *WHOLE[:step + 1], *how, *message(ALICE)], ["mail: continue", *OURS],
         counted={"accepted": 1}, logged=("nrcpt=1,.*verdict=accept",))
    for step in GIVEN_UP[:-1] for how in ([("abort",)], [("abort",), ("helo", "again.test")], [("helo", "again.test")], [])
]

CASES = [*MAIL_CASES, *RCPT_CASES, *END_CASES, *LOCAL_CASES, *ABORT_CASES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_daemon_answers(running, case):
    for mta in case.mtas:
        daemon = running(Daemon(case.config))
        for order in case.orders:
            give(daemon, *order)
        talk = play(daemon, case.steps, mta)
        check_answers(told(talk), case.want)
        check_silence(talk, mta, bool(case.config.get("exempt")))
        status = daemon.cli("status")
        counts = {**status["mail"], **status["signals"]}
        assert {name: counts[name] for name in case.counted} == case.counted
        for pattern in case.logged:
            assert len(daemon.log(pattern)) == 1, (pattern, daemon.log())
        assert status["signals"]["open_connections"] == 0


def give(daemon, *order):
    """Gives an order to block somebody and waits until it is obeyed."""
    daemon.cli(*order)
    wait_for(lambda: daemon.cli("status")["blocked"] == 1, "the block is known")


def check_answers(answers, want):
    assert len(answers) == len(want) and all(map(re.fullmatch, want, answers)), f"told  {answers}\nwant  {want}"
    for answer in answers:
        check_reply(answer)


def check_reply(answer):
    """A reply is one line of printable ASCII; its codes are of one class; it fits into the 512 bytes of SMTP; every % is doubled."""
    if " reply " not in answer:
        return
    reply = answer.split(" reply ", 1)[1]
    assert re.fullmatch(r"([45])\d\d \1\.\d\.\d( ([ -$&-~]|%%)+)", reply), reply
    assert len(reply.replace("%%", "%")) + len("\r\n") <= 512


def check_silence(talk, mta, has_exempt_recipients):
    quiet = {"connect", "helo", "data", "header", "body", "eoh"} | (set() if has_exempt_recipients else {"rcpt"})
    for event, answers in talk:
        last = [answer for answer in answers if not answer.startswith("quarantine")]
        wanted = 0 if event in ("abort", "quit") or (mta is not OLD and event in quiet) else 1
        assert len(last) == wanted, (event, answers)


# Replies, whatever is written into them

LONG = "l" * 150
TEXTS = {
    "percent": ("100% of %s is {used} 50%%", "100%% of %%s is 1 of 1 messages 50%%%%"),
    "a percent sign at every place": ("%" * 400, "%%" * 400),
    "every placeholder": ("{identity}|{quota}|{limit}|{used}|{contact}", r"user:alice@example\.test|mailbox|1 messages / 30d|1 of 1 messages|x"),
    "longer than a line of SMTP": (("{identity} {limit} " * 20)[:399], None),
    "nothing but an empty placeholder": ("{retry}", None),
}


@pytest.mark.parametrize("key", TEXTS)
def test_any_text_is_a_valid_reply(running, key):
    text, want = TEXTS[key]
    daemon = running(Daemon(config(quota("1 messages / 30d"), quota("none", per="sender_domain", name="never", **{"override": [
        {"match": ["@example.test"], "limits": ["unlimited"]}]}), reply={"over": text, "blocked": text, "too_big": text, "contact": "x"})))
    login = f"{LONG}@example.test" if want is None else ALICE
    answers = told(play(daemon, [*session(), *message(login) * 2, *begin(login)]))
    assert [answer.split()[1] for answer in answers] == ["continue", "continue", "continue", "reply", "reply"]
    assert want is None or answers[-1] == "mail: reply 451 4.7.1 " + want.replace("\\", "")
    for answer in answers:
        check_reply(answer)


REASONS = {
    "non-ASCII": ("public: für Ihr Konto gesperrt", "f??r Ihr Konto gesperrt"),
    "percent": ("public: 100% %s %n", "100%% %%s %%n"),
    "over-long": ("public: " + "%" * 490, None),
}


@pytest.mark.parametrize("key", REASONS)
def test_any_reason_is_a_valid_reply(running, key):
    reason, want = REASONS[key]
    daemon = running(Daemon(TWO))
    give(daemon, "block", ALICE, "--reason", reason)
    (answer,) = told(play(daemon, [*session(), *begin(ALICE)]))
    check_reply(answer)
    assert want is None or answer.endswith(": " + want), answer


@pytest.mark.parametrize("login, shown", [("a%b c", "user:a%%25b%%20c@example.test"), ("é\x01{}", "user:%%C3%%A9%%01%%7B%%7D@example.test"),
                                          ("x" * 600, None)])
def test_any_login_is_shown_in_a_valid_reply(running, login, shown):
    daemon = running(Daemon(config(quota("none"))))
    (answer,) = told(play(daemon, [*session(), *begin(login)]))
    check_reply(answer)
    assert shown is None or f"(quota mailbox, {shown})" in answer


# Without a store

@pytest.mark.parametrize("on_failure, smtp, local", [
    ("tempfail", r"eom: reply 451 4\.3\.0 Sending limits cannot be checked at the moment; try again later",
     ["eom: quarantine sendquota: sending limits cannot be checked", "eom: accept"]),
    ("accept", "eom: continue", ["eom: continue"])])
def test_answers_without_a_store(running, on_failure, smtp, local):
    redis = running(Redis())
    daemon = running(Daemon(config(quota("9 messages / 30d"), WEB, store={"on_failure": on_failure}, **LOCAL), store=redis.url))
    assert told(play(daemon, [*session(), *message(ALICE)])) == OURS
    redis.kill()
    check_answers(told(play(daemon, [*session(), *begin(), *message(ALICE)])), ["mail: accept", "mail: continue", smtp])
    check_answers(told(play(daemon, [*FROM_HERE, *message()])), ["mail: continue", *local])


# The PHP header

PHP = config(quota("none", per=["script", "sender"], name="php", when="local", action="quarantine"), quota("9 messages / 30d"), **LOCAL)
SCRIPT = "X-PHP-Originating-Script"
HEADERS = [
    # headers                                         the identity that is charged              counted
    (["0:contact.php"], f"script:{HOST}/0:contact.php", {}),
    (["1234:ini.php"], f"script:{HOST}/1234:ini.php", {}),
    (["0:Command line code"], f"script:{HOST}/0:command%20line%20code", {}),
    (["0:Standard input code"], f"script:{HOST}/0:standard%20input%20code", {}),
    (["0:ev.php(1) : eval()'d code"], f"script:{HOST}/0:ev.php", {"php_evaluated": 1}),
    (["0:ev.php(12) : eval()'d code(3) : eval()'d code"], f"script:{HOST}/0:ev.php", {"php_evaluated": 1}),
    (["0:sp ace:é.php"], f"script:{HOST}/0:sp%20ace:%C3%A9.php", {}),
    (["0:forge.php", "999:innocent.php"], f"script:{HOST}/0:forge.php", {"php_headers_repeated": 1}),
    (["0:a.php"] * 4, f"script:{HOST}/0:a.php", {"php_headers_repeated": 3}),
    (["1:a\n b.php"], f"script:{HOST}/1:a%20b.php", {}),
    (["1:a\r\n\tb.php"], f"script:{HOST}/1:a%09b.php", {}),
    (["0:UPPER.PHP"], f"script:{HOST}/0:upper.php", {}),
    (["007:x.php"], f"script:{HOST}/7:x.php", {}),
    (["0:" + "x" * 700], None, {}),
    (["no colon at all"], "sender:alice@example.test", {"php_headers_malformed": 1}),
    (["x:form.php"], "sender:alice@example.test", {"php_headers_malformed": 1}),
    (["-1:form.php"], "sender:alice@example.test", {"php_headers_malformed": 1}),
    (["99999999999:form.php"], "sender:alice@example.test", {"php_headers_malformed": 1}),
    (["0:"], "sender:alice@example.test", {"php_headers_malformed": 1}),
    ([":form.php"], "sender:alice@example.test", {"php_headers_malformed": 1}),
    (["no colon at all", "0:real.php"], "sender:alice@example.test", {"php_headers_malformed": 1, "php_headers_repeated": 1}),
    ([], "sender:alice@example.test", {}),
]
SIGNALS = ("php_evaluated", "php_headers_repeated", "php_headers_malformed", "php_headers_ignored")


@pytest.mark.parametrize("values, identity, counted", HEADERS, ids=lambda value: str(value)[:40])
def test_a_php_header_of_local_mail_names_its_script(running, values, identity, counted):
    daemon = running(Daemon(PHP))
    headers = [("Subject", "probe"), *((SCRIPT, value) for value in values), ("From", "x@y.test")]
    answers = told(play(daemon, [*FROM_HERE, *message(headers=headers)]))
    assert answers[0] == "mail: continue" and answers[1].startswith("eom: quarantine sendquota: quota php, ") and answers[2:] == ["eom: accept"]
    (line,) = daemon.verdicts()
    assert identity is None or line["identity"] == identity
    assert identity is not None or re.fullmatch(r"script:[-a-z0-9./:]{94,96}=[0-9a-f]{64}", line["identity"])
    assert answers[1].startswith("eom: quarantine sendquota: quota php, " + line["identity"])
    signals = daemon.cli("status")["signals"]
    assert {name: signals[name] for name in SIGNALS} == {**dict.fromkeys(SIGNALS, 0), **counted}


def test_a_php_header_is_known_by_its_name_in_any_case(running):
    daemon = running(Daemon(PHP))
    play(daemon, [*FROM_HERE, *message(headers=[("X-PHP-Script", "0:no.php"), ("x-php-originating-SCRIPT", "0:yes.php")])])
    assert [line["identity"] for line in daemon.verdicts()] == [f"script:{HOST}/0:yes.php"]


def test_a_php_header_from_smtp_is_ignored_and_counted(running):
    daemon = running(Daemon(PHP))
    forged = [(SCRIPT, "0:innocent.php"), (SCRIPT, "0:innocent.php")]
    assert told(play(daemon, [*session(), *message(ALICE, headers=forged)])) == OURS
    assert daemon.cli("show", ALICE)["limits"][0]["used"] == 1
    signals = daemon.cli("status")["signals"]
    assert (signals["php_headers_ignored"], signals["php_headers_repeated"]) == (1, 1)


def test_a_php_header_of_a_trusted_relay_is_its_own(running):
    daemon = running(Daemon({**PHP, "identity": {"trusted_relays": ["192.0.2.7"]}}))
    play(daemon, [*session("192.0.2.7"), *message(headers=[(SCRIPT, "33:form.php")])])
    assert [line["identity"] for line in daemon.verdicts()] == ["script:192.0.2.7/33:form.php"]
