"""What is kept of who sent what, as an administrator sees it: on the embedded store and on Redis, with real MTAs' messages."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from rig import Client, Daemon, Postfix, Redis, wait_for
from rig.room import BUILD

ALICE, BOB = "alice@example.test", "bob@example.test"
RECORDED = {"top", "most_in_30_days", "scripts", "refused", "networks", "held", "orders"}  # what a report takes from the record
QUOTA = [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"]}]


@pytest.fixture(params=["memory", "redis"])
def daemon(request, running):
    store = running(Redis()).url if request.param == "redis" else "memory:"
    return running(Daemon({"quota": QUOTA}, store=store))


def history(daemon, identity):
    return daemon.cli("show", identity)["history"]


def sums(daemon, identity):
    """Sent, refused, held, and the recipients of what was sent, of the last 24 hours."""
    hours = history(daemon, identity)["last_hours"]
    return tuple(sum(hour[what] for hour in hours) for what in ("sent", "refused", "held", "recipients_sent"))


def test_what_a_login_sent_and_was_refused_is_shown_at_once(daemon):
    daemon.play(4, user=ALICE)
    assert sums(daemon, ALICE) == (3, 1, 0, 3)
    assert sums(daemon, "user_domain:example.test") == (3, 1, 0, 3)
    assert sums(daemon, BOB) == (0, 0, 0, 0)
    kept = history(daemon, ALICE)
    assert [one["verdict"] for one in kept["messages"]] == ["tempfail", "accept", "accept", "accept"]
    assert kept["messages"][0]["quota"] == "mailbox"
    assert len(kept["networks"]) == 1 and kept["first"]


def test_top_ranks_senders(daemon):
    daemon.play(3, user=ALICE)
    daemon.play(5, user=BOB)
    def top(*words):
        return [(row["identity"], row["amount"]) for row in daemon.cli("top", *words)["top"]]
    assert top() == [(f"user:{ALICE}", 3), (f"user:{BOB}", 3)]
    assert top("--by", "refused") == [(f"user:{BOB}", 2)]
    assert top("--per", "user_domain") == [("user_domain:example.test", 6)]
    assert top("--per", "script") == []
    assert top("--by", "networks", "--count", 1) == [(f"user:{ALICE}", 1)]


@pytest.mark.parametrize("words, wrong", [(["--by", "size"], "nothing to rank by"), (["--per", "everyone"], "no kind of sender"),
                                          (["--since", "yesterday"], "yesterday"), (["--since", "999d"], "at most 366d"),
                                          (["--count", "0"], "1 to 1000"), (["--by", "a\tb"], "contains a control character")])
def test_a_ranking_that_cannot_be_understood_says_what_to_write(running, words, wrong):
    done = running(Daemon({"quota": QUOTA})).command("top", *words)
    assert done.returncode == 64 and wrong in done.stderr, done.stderr


def test_two_daemons_record_into_one_history(running):
    redis = running(Redis())
    one, other = (running(Daemon({"quota": QUOTA}, store=redis.url, name=name)) for name in ("one", "other"))
    one.play(2, user=ALICE)
    other.play(2, user=ALICE)
    sums(one, ALICE)  # writes what it has
    wait_for(lambda: sums(other, ALICE) == (3, 1, 0, 3), "both have written")


def test_a_record_of_its_own_is_elsewhere_than_the_quotas(running):
    quotas, record = running(Redis()), running(Redis())
    daemon = running(Daemon({"quota": QUOTA, "record": {"url": record.url}}, store=quotas.url))
    daemon.play(1, user=ALICE)
    assert sums(daemon, ALICE) == (1, 0, 0, 1)
    assert [key for key in quotas.cli("KEYS", "sendquota:history:*").split()] == []
    assert f"sendquota:history:{{user:{ALICE}}}" in record.cli("KEYS", "*").split()


def test_mail_goes_on_while_the_record_is_away_and_what_is_missing_is_said(running):
    quotas, record = running(Redis()), Redis()
    daemon = running(Daemon({"quota": [{**QUOTA[0], "limits": ["1000 messages / 1h"]}], "record": {"url": record.url, "write_every": "100ms"}},
                            store=quotas.url))
    record.close()
    assert {one.verdict for one in daemon.play(20, user=ALICE)} == {"accept"}
    wait_for(lambda: daemon.cli("status")["record"]["dropped"] > 0, "what could not be written is counted")
    status = daemon.cli("status")
    assert any("record of who sent what cannot be written" in warning for warning in status["warnings"]), status
    shown = daemon.cli("show", ALICE)
    assert shown["history"] is None and shown["history_error"] and shown["limits"][0]["used"] == 20
    done = daemon.command("top")
    assert done.returncode == 69 and "mail goes on" in done.stderr, done.stderr
    assert set(daemon.cli("report")["errors"]) == RECORDED and set(daemon.cli("incident", ALICE)["errors"]) == {"mail"}
    assert daemon.command("report").stdout.count("cannot be shown: the record has no answer") == 2


def test_that_the_record_is_written_again_is_known_without_mail(running):
    quotas, record = running(Redis()), running(Redis())
    daemon = running(Daemon({"quota": QUOTA, "store": {"timeout": "100ms"}, "record": {"url": record.url, "write_every": "100ms"}}, store=quotas.url))
    record.process.send_signal(signal.SIGSTOP)
    try:
        daemon.play(1, user=ALICE)
        wait_for(lambda: daemon.cli("status")["record"]["error"], "that it has no answer is said")
    finally:
        record.process.send_signal(signal.SIGCONT)
    wait_for(lambda: daemon.cli("status")["record"]["error"] is None, "that it answers again is said", deadline=5)
    assert not [warning for warning in daemon.cli("status")["warnings"] if "record" in warning]
    assert sums(daemon, ALICE)[1:] == (0, 0, 1) or sums(daemon, ALICE) == (0, 0, 0, 0)  # what was asked last may have been done, and once
    daemon.play(1, user=BOB)
    assert sums(daemon, BOB) == (1, 0, 0, 1)


def test_nothing_is_kept_where_it_is_off(running):
    redis = running(Redis())
    daemon = running(Daemon({"quota": QUOTA, "record": {"url": "off"}}, store=redis.url))
    daemon.play(1, user=ALICE)
    assert history(daemon, ALICE) is None
    done = daemon.command("top")
    assert done.returncode == 1 and "record.url" in done.stderr
    report, page = daemon.cli("report"), daemon.command("report").stdout
    assert report["top"] is report["held"] is None and report["blocked"] == report["events"] == []
    assert set(report["errors"]) == RECORDED and all("record.url" in error for error in report["errors"].values())
    assert page.count("cannot be shown") == 2 and "Nobody is blocked." in page
    story, page = daemon.cli("incident", ALICE), daemon.command("incident", ALICE).stdout
    assert story["mail"] is None and set(story["errors"]) == {"mail"} and "messages per 1h" in page
    assert page.count("cannot be shown") == 1 and "sendquota held" not in page and "sendquota block" in page
    assert all("history" not in key and "top" not in key for key in redis.cli("KEYS", "*").split())


def test_a_real_message_is_listed_with_its_evidence(running):
    daemon = running(Daemon({"quota": QUOTA, "record": {"evidence_headers": ["User-Agent"], "recipients": 1}}))
    mx = running(Postfix(milters=[daemon.milter]))
    mx.add_user("alice")
    text = (f"From: {ALICE}\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n =?UTF-8?Q?_und_mehr?=\r\nUser-Agent: SpamTool 1.0\r\n\r\nHello\r\n")
    with Client(mx.ports["xclient"], xclient="alice ADDR=203.0.113.9") as client:
        outcome = client.send(sender=ALICE, recipients=["one@remote.test", "two@remote.test"], text=text)
    assert outcome.code == 250
    message, = history(daemon, ALICE)["messages"]
    assert message["subject"] == "Grüße und mehr"
    assert message["headers"] == {"user-agent": "SpamTool 1.0"}
    assert (message["from"], message["recipients"], message["first_recipients"]) == (ALICE, 2, ["one@remote.test"])
    assert message["client"] == "203.0.113.9" and message["queue_id"] in outcome.text


def test_what_a_ranking_cannot_tell_is_said(running):
    daemon = running(Daemon({"quota": [{**QUOTA[0], "limits": ["100 messages / 1h"]}], "record": {"networks": 3, "hours_for": "2d"}}))
    for number in range(5):
        daemon.play(1, user=ALICE, client=f"198.51.{number}.7")
    for number in range(2):
        daemon.play(1, user=BOB, client=f"198.51.{number}.7")
    ranked = daemon.command("top", "--by", "networks").stdout
    assert re.search(rf"^user:{ALICE} +3 OR MORE$", ranked, re.M) and re.search(rf"^user:{BOB} +2$", ranked, re.M), ranked
    assert "FROM 3 OR MORE NETWORKS" in daemon.command("show", ALICE).stdout and "FROM 2 NETWORKS" in daemon.command("show", BOB).stdout
    assert "OR MORE" not in daemon.command("top").stdout  # these are messages
    assert "record.per" in daemon.command("top", "--per", "sender").stdout and daemon.cli("top", "--per", "sender")["recorded"] is False
    assert "record.per" not in daemon.command("top", "--per", "script").stdout
    assert "record.hours_for" in daemon.command("top", "--since", "31d").stdout and daemon.cli("top", "--since", "31d")["kept_since"]
    assert "record.hours_for" not in daemon.command("top", "--since", "2d").stdout


def test_a_person_reads_it_in_eighty_columns(daemon):
    daemon.play(4, user=ALICE)
    done = daemon.command("show", ALICE)
    text = done.stdout
    assert done.returncode == 0 and "24 HOURS" in text and "█" in text, text
    assert re.search(r"^sent +·+█ +3 ", text, re.M), text
    assert "FROM 1 NETWORK" in text and "LAST MESSAGES" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert json.loads(daemon.command("--json", "show", ALICE).stdout)["history"]["messages"]


def test_events_tell_what_happened_to_everybody_and_to_one(daemon):
    for who in (ALICE, BOB):
        assert daemon.command("block", who, "--reason", f"{who} is stolen").returncode == 0
    assert daemon.command("release", ALICE).returncode == 0
    wait_for(lambda: len(daemon.cli("events")["events"]) == 3, "all are told")
    told = daemon.cli("events")["events"]
    assert [(one["event"], one["identity"]) for one in told] == [("released", f"user:{ALICE}"), ("blocked", f"user:{BOB}"), ("blocked", f"user:{ALICE}")]
    assert [one["event"] for one in daemon.cli("events", ALICE)["events"]] == ["released", "blocked"]
    assert [one["event"] for one in daemon.cli("events", ALICE, "--count", 1)["events"]] == ["released"]
    assert len({one["id"] for one in told}) == 3 and told[0]["at"] > "2020"
    text = daemon.command("events").stdout
    assert text.index("blocked") < text.index("released") and "is stolen" in text


def test_events_are_followed_while_the_daemon_comes_and_goes(running):
    redis = running(Redis())
    daemon = running(Daemon({"quota": QUOTA}, store=redis.url))
    daemon.command("block", ALICE)
    following = subprocess.Popen([BUILD / "bin" / "sendquota", "--socket", daemon.admin, "events", "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.set_blocking(following.stdout.fileno(), False)
    os.set_blocking(following.stderr.fileno(), False)
    heard = {following.stdout: "", following.stderr: ""}

    def hears(what, where=following.stdout):
        with contextlib.suppress(BlockingIOError):
            heard[where] += os.read(where.fileno(), 65536).decode()
        return re.search(what, heard[where])
    try:
        wait_for(lambda: hears(f"blocked +user:{ALICE}"), "what happened is told")
        daemon.stop()
        wait_for(lambda: hears("sendquota:", following.stderr), "the daemon's absence is told")
        daemon.start()
        daemon.command("block", BOB)
        wait_for(lambda: hears(f"blocked +user:{BOB}"), "what happens is told")
        hears("", following.stderr)
        assert heard[following.stdout].count(f"user:{ALICE}") == 1
        assert heard[following.stderr].count("sendquota:") == 1
    finally:
        following.kill()
        following.communicate()


def test_a_ranking_is_watched(daemon):
    watching = subprocess.Popen([BUILD / "bin" / "sendquota", "--socket", daemon.admin, "top", "--watch"], stdout=subprocess.PIPE, text=True)
    try:
        assert "Nothing of the kind" in watching.stdout.readline()
        daemon.play(2, user=ALICE)
        while f"user:{ALICE}" not in watching.stdout.readline():
            assert watching.poll() is None
    finally:
        watching.kill()
        watching.communicate()


def test_who_says_whose_a_message_was_by_queue_id_client_and_header(running):
    daemon = running(Daemon({"quota": QUOTA, "record": {"evidence_headers": ["x-mailer"]}}))
    mx = running(Postfix(milters=[daemon.milter]))
    mx.add_user("alice")
    with Client(mx.ports["xclient"], xclient="alice ADDR=203.0.113.9") as client:
        assert client.send(sender=ALICE, text=f"From: {ALICE}\r\nX-Mailer: Tool 4711\r\n\r\nHello\r\n").accepted
    message = history(daemon, ALICE)["messages"][0]
    for name in (message["queue_id"], message["client"], "Tool 4711"):
        (found,) = daemon.cli("who", name)["found"]
        assert (found["identity"], found["queue_id"]) == (f"user:{ALICE}", message["queue_id"])
        assert f"user:{ALICE}" in daemon.command("who", name).stdout
    nobody = daemon.command("who", "4XyNobody")
    assert nobody.returncode == 1 and "no message of the last 1d bears" in nobody.stderr, nobody.stderr


@pytest.mark.parametrize("of_redis", [False, True], ids=["memory", "redis"])
def test_who_knows_a_message_by_its_message_id_of_which_only_a_mark_is_kept(running, of_redis):
    held = [{"name": "mailbox", "per": "user", "limits": ["1 messages / 1h"], "action": "quarantine"}]
    daemon = running(Daemon({"quota": held}, store=running(Redis()).url if of_redis else "memory:"))
    mx = running(Postfix(milters=[daemon.milter]))
    mx.add_user("alice")
    with Client(mx.ports["xclient"], xclient="alice ADDR=203.0.113.9") as client:
        for header in ("Message-ID: <4711$1%41+a/b=@remote.test>\r\n", ""):
            assert client.send(sender=ALICE, text=f"From: {ALICE}\r\n{header}\r\nHello\r\n").accepted
    without, with_one = history(daemon, ALICE)["messages"]
    given_by_postfix = re.search(r"^Message-Id: (<.*>)", mx.room.run("postcat", "-qh", without["queue_id"]).stdout, re.M | re.I)[1]
    for name, message in (("<4711$1%41+a/b=@remote.test>", with_one), ("4711$1%41+a/b=@remote.test", with_one), (given_by_postfix, without)):
        (found,) = daemon.cli("who", name)["found"]
        assert (found["identity"], found["queue_id"]) == (f"user:{ALICE}", message["queue_id"])
    nobody = daemon.command("who", "<another@remote.test>")
    assert nobody.returncode == 1 and "no message of the last 1d bears" in nobody.stderr, nobody.stderr


def test_an_incident_is_one_page_with_the_commands_that_end_it(running, tmp_path):
    quota = [{"name": "script", "per": "script", "limits": ["2 messages / 1h"], "block": {"after": "1 refusals / 1h", "for": ["1h"]}}]
    daemon = running(Daemon({"quota": quota}))
    daemon.play(4, script="1000:it's*.php")
    (script,) = {row["identity"] for row in daemon.cli("top", "--per", "script")["top"]}
    wait_for(lambda: daemon.cli("show", script)["blocked"], "it is blocked")
    wait_for(lambda: len(daemon.cli("events", script)["events"]) >= 1, "it is told")
    page = daemon.command("incident", script).stdout.replace(" \\\n    ", " ")  # a command goes on in the next line
    for name in ("it's*.php", "it's x.php", "other.php"):
        (tmp_path / name).touch()
        os.chown(tmp_path / name, 1000, 1000)
    find = re.search(r"^  (find / .*)$", page, re.M).group(1).replace("find / ", f"find {tmp_path} ")
    assert subprocess.run(["sh", "-c", find], capture_output=True, text=True).stdout == f"{tmp_path}/it's*.php\n", find
    assert re.search(r"grep -rhE '\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d[^']*' /var/log/apache2", page), page
    assert re.search(r"^  sendquota held \S+ --delete --all-hosts$", page, re.M) and re.search(r"^mail\.example\.com +\d+ +2$", page, re.M), page
    release = re.search(r"^  (sendquota release .* --reason .*)$", page, re.M).group(1)
    assert " --held delete " in release  # waits for a sendquota-queue that is not here
    release = release.replace(" --held delete", "")
    done = subprocess.run(["sh", "-c", release.replace("sendquota", f"{BUILD}/bin/sendquota --socket {daemon.admin}", 1)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not daemon.cli("show", script)["blocked"]
    whole = daemon.cli("incident", script)
    assert whole["mail"]["held"][0]["host"] == "mail.example.com" and whole["mail"]["orders"] == []
    assert whole["identity"]["identity"] == script and any(one["event"] == "released" for one in whole["events"])


def test_a_report_says_on_one_page_what_a_day_was_like(daemon):
    daemon.play(5, user=ALICE)
    daemon.play(1, user=BOB)
    daemon.play(2, script="1000:form.php")
    daemon.command("block", BOB, "--reason", "stolen")
    daemon.command("limit", ALICE, "mailbox", "unlimited")
    wait_for(lambda: daemon.cli("blocked")["blocked"] and daemon.cli("limits")["limits"], "the daemon knows")
    page = daemon.command("report").stdout
    for part in ("2 of 8 outgoing messages", r"25 %", r"user:bob@example\.test .*stolen", "live limits without an end", rf"user:{ALICE} +3\n", r"form\.php +2\n",
                 rf"user:{ALICE} +2\n", "NETWORKS IN AN HOUR", "IN 30 DAYS"):
        assert re.search(part, page), (part, page)
    assert max(map(len, page.splitlines())) <= 80, page
    daemon.command("limit", ALICE, "mailbox", "unlimited", "--for", "1h")
    wait_for(lambda: daemon.cli("limits")["limits"][0]["until"], "it has an end")
    assert "without an end" not in daemon.command("report").stdout
    assert "held mail, the oldest first" not in page and daemon.cli("report")["held"] == [] == daemon.cli("report")["orders"]
    daemon.command("block", "script:mail.example.com/1000:form.php")
    wait_for(lambda: daemon.play(1, script="1000:form.php")[0].verdict == "quarantine", "its mail is held")
    daemon.command("held", "script:mail.example.com/1000:form.php", "--delete", "--all-hosts", "--wait", "1ms")
    page = daemon.command("report").stdout
    assert re.search(r"held mail, the oldest first\n.*\n\S*form\.php +mail\.example\.com +1 ", page) and "has not ended on mail.example.com" in " ".join(page.split()), page
    assert daemon.cli("report", "--since", "7d")["top"]["by"] == "messages"


def test_while_the_store_is_away_what_is_asked_of_the_past_says_so_within_a_second(running):
    redis = running(Redis())
    daemon = running(Daemon({"quota": QUOTA}, store=redis.url))
    redis.process.send_signal(signal.SIGSTOP)
    try:
        for words in (["top"], ["who", "4Xy"], ["events"], ["incident", ALICE], ["report"], ["show", ALICE]):
            begin = time.monotonic()
            done = daemon.command(*words)
            assert done.returncode == 69 and "no answer" in done.stderr, (words, done.stderr)
            assert time.monotonic() - begin < 2, words
            assert ("Nobody is blocked." in done.stdout) == (words == ["report"]), words  # what is known is worth reading
    finally:
        redis.process.send_signal(signal.SIGCONT)
