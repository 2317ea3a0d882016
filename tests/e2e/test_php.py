"""PHP scripts that call mail(): each is known by its owner and file, and what is too much waits in the hold queue."""

import pytest

from rig import Client, Daemon, Php, Postfix, wait_for

SCRIPT = "script:mx1.example.test/1234:form.php"


def quotas(limit="100 messages / 30d"):
    return [{"name": "php-script", "per": ["script", "sender"], "when": "local", "action": "quarantine", "limits": [limit]},
            {"name": "mailbox", "per": ["user"], "limits": ["100 messages / 30d"]}]


@pytest.fixture
def host(running):
    """host(LIMIT, …) is a daemon, a Postfix and the PHP scripts of its customers."""
    def start(limit="100 messages / 30d", **tables):
        daemon = running(Daemon({"quota": quotas(limit), **tables}))
        mx = running(Postfix("mx1", milters=[daemon.milter]))
        mx.add_user("alice")
        return daemon, mx, Php(mx)
    return start


def judged(daemon, count, **fields):
    """Local mail is judged after mail() returned: the log lines once there are so many."""
    return wait_for(lambda: len(daemon.verdicts(**fields)) >= count and daemon.verdicts(**fields), f"{count} verdicts {fields}")


def test_the_101st_message_of_a_script_is_held_and_the_log_says_which_and_why(host):
    daemon, mx, php = host()
    form, other = php.mailer("form.php", owner=1234), php.mailer("other.php", owner=1234)
    assert php.mail(form, count=101) == [True] * 101
    judged(daemon, 101)
    (held,) = wait_for(lambda: mx.queue("hold"), "a message is held")
    (line,) = daemon.verdicts(verdict="quarantine")
    assert line["id"] == held["queue_id"]
    assert (line["identity"], line["quota"], line["limit"], line["used"]) == (SCRIPT, "php-script", "100 messages / 30d", "100")
    assert (line["script"], line["sasl_username"]) == ("1234:form.php", "")
    assert len(daemon.verdicts(verdict="accept", script="1234:form.php")) == 100
    mx.wait_for_log(f"{held['queue_id']}: milter-hold: END-OF-MESSAGE")
    assert mx.wait_for_log("pickup.* uid=33 "), "another uid than the script's owner runs it"

    php.mail(other, count=2)
    php.mail(php.mailer("neighbour/form.php", owner=1235), count=2)
    judged(daemon, 105)
    assert len(mx.queue("hold")) == 1
    assert daemon.used("script:mx1.example.test/1234:other.php", "php-script") == 2
    assert daemon.used("script:mx1.example.test/1235:form.php", "php-script") == 2


def test_a_login_is_not_charged_for_what_a_script_sends_in_its_name(host):
    daemon, mx, php = host("2 messages / 30d")
    form = php.mailer("form.php", owner=1234)
    php.mail(form, count=4, parameters="-falice@example.test", headers=r"From: alice@example.test")
    assert [line["identity"] for line in judged(daemon, 2, verdict="quarantine")] == [SCRIPT] * 2
    assert daemon.used("alice@example.test") == 0
    with Client(mx.ports["submission"], login="alice") as alice:
        assert alice.send().accepted
    assert daemon.used("alice@example.test") == 1
    assert daemon.used(SCRIPT, "php-script") == 2


def test_a_forged_header_changes_nothing(host):
    daemon, mx, php = host("2 messages / 30d")
    form = php.mailer("form.php", owner=1234)
    forged = r"X-PHP-Originating-Script: 999:innocent.php\r\nx-php-originating-script: 0:root.php"
    php.mail(form, count=3, headers=forged)
    (held,) = judged(daemon, 1, verdict="quarantine")
    assert (held["identity"], held["script"]) == (SCRIPT, "1234:form.php")
    assert daemon.used("script:mx1.example.test/999:innocent.php", "php-script") == 0
    signals = daemon.cli("status")["signals"]
    assert (signals["php_headers_repeated"], signals["php_headers_ignored"]) == (6, 0)


def test_a_header_from_smtp_is_ignored_and_counted(host):
    daemon, mx, _ = host()
    forged = "X-PHP-Originating-Script: 1234:form.php\r\nFrom: a@b.test\r\n\r\nhello\r\n"
    with Client(mx.ports["submission"], login="alice") as alice:
        assert alice.send(text=forged).accepted
    with Client(mx.ports["outside"]) as outside:
        assert outside.send(recipients="alice@example.test", text=forged).accepted
    assert daemon.used(SCRIPT, "php-script") == 0
    assert daemon.used("alice@example.test") == 1
    status = daemon.cli("status")
    assert status["signals"]["php_headers_ignored"] == 1
    assert status["mail"]["inbound"] == 1, "what is not ours is not even looked at"


def test_code_that_is_evaluated_is_its_script_and_counted(host):
    daemon, _, php = host("1 messages / 30d")
    php.mail(php.mailer("form.php", owner=1234))
    judged(daemon, 1)
    php.run(php.script("form.php", r"""eval('mail("dest@remote.test", "evaluated", "hello");');""", owner=1234))
    (held,) = judged(daemon, 1, verdict="quarantine")
    assert (held["identity"], held["script"]) == (SCRIPT, "1234:form.php%282%29%20:%20eval%28%29%27d%20code")
    assert daemon.cli("status")["signals"]["php_evaluated"] == 1


def test_local_mail_without_a_header_is_charged_to_its_sender(host):
    daemon, mx, _ = host("1 messages / 30d")
    for _ in range(2):
        mx.sendmail("-f", "cron@example.test", "dest@remote.test", text="Subject: x\n\nhello\n")
    (held,) = judged(daemon, 1, verdict="quarantine")
    assert held["identity"] == "sender:cron@example.test"


def test_a_tempfail_meant_for_any_mail_holds_local_mail(running):
    """A tempfailed local message would stay in maildrop for ever, and be charged again and again."""
    daemon = running(Daemon({"quota": [{"name": "all", "per": "everyone", "limits": ["1 messages / 30d"], "action": "tempfail"}]}))
    mx = running(Postfix("mx1", milters=[daemon.milter]))
    php = Php(mx)
    assert php.mail(php.mailer("form.php"), count=2) == [True, True]
    (line,) = judged(daemon, 1, verdict="quarantine")
    assert [held["queue_id"] for held in wait_for(lambda: mx.queue("hold"), "held")] == [line["id"]]
    assert not mx.room.run("find", "/var/spool/postfix/maildrop", "-type", "f").stdout


def test_the_hold_queue_has_a_bottom_and_what_falls_through_is_logged_with_its_recipients(host):
    daemon, mx, php = host("1 messages / 30d", hold={"max": 2, "then": "discard"})
    form = php.mailer("form.php", owner=1234)
    assert php.mail(form, count=5, to="one@remote.test, two@remote.test") == [True] * 5
    gone = judged(daemon, 2, verdict="discard")
    assert [(line["identity"], line["nrcpt"]) for line in gone] == [(SCRIPT, "2")] * 2
    assert len(judged(daemon, 2, verdict="quarantine")) == 2
    wait_for(lambda: len(mx.queue("hold")) == 2, "two are held")
    assert len(daemon.wait_for_log("discarded: from=<www-data@example.test>, to=<(one|two)@remote.test>", 4)) == 4
    assert len(daemon.wait_for_log("event=hold_full")) == 1
    mail = daemon.cli("status")["mail"]
    assert (mail["accepted"], mail["held"], mail["discarded"]) == (1, 2, 2)
    php.mail(php.mailer("other.php", owner=1234))
    judged(daemon, 1, script="1234:other.php", verdict="accept")


def test_beyond_its_bottom_the_hold_queue_can_reject_instead(host):
    daemon, mx, php = host("1 messages / 30d", hold={"max": 1, "then": "reject"})
    php.mail(php.mailer("form.php", owner=1234), count=3)
    judged(daemon, 3)
    assert len(wait_for(lambda: mx.queue("hold"), "one is held")) == 1
    mx.wait_for_log("milter-reject: END-OF-MESSAGE")
