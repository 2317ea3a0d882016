"""Who is told of incidents: the program of notify.command, and the two of contrib/notify."""

import http.server
import json
import os
import socketserver
import subprocess
import threading
import time
from pathlib import Path

import pytest

from rig import Daemon, Redis, wait_for

ALICE, BOB = "alice@example.test", "bob@example.test"
CONTRIB = Path(__file__).resolve().parents[2] / "contrib" / "notify"
QUOTA = [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"], "block": {"after": "2 refusals / 1h", "for": ["1h"]}}]


class Pager:
    """A program that writes each incident into a file of its own."""

    def __init__(self, folder, then=""):
        self.folder = folder / "told"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self.program = folder / "page"
        self.program.write_text(f"#!/bin/sh\ncat > {self.folder}/$$.new && mv {self.folder}/$$.new {self.folder}/$$\n{then}\n")
        self.program.chmod(0o755)

    def told(self):
        return [json.loads(file.read_text()) for file in sorted(filter(lambda file: not file.suffix, self.folder.iterdir()), key=os.path.getmtime)]

    def wait_for(self, count):
        return wait_for(lambda: len(self.told()) >= count and self.told(), f"{count} incidents are told")


@pytest.fixture
def pager(tmp_path):
    tmp_path.chmod(0o755)
    return Pager(tmp_path)


def config(pager, **notify):
    return {"quota": QUOTA, "notify": {"command": str(pager.program), **notify}}


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_a_blocked_sender_is_told_once_with_the_evidence(running, pager, store):
    daemon = running(Daemon(config(pager), store=running(Redis()).url if store == "redis" else "memory:"))
    daemon.play(6, user=ALICE)
    (told,) = pager.wait_for(1)
    assert (told["event"], told["identity"], told["left_out"]) == ("blocked", f"user:{ALICE}", 0)
    assert told["blocked"]["quota"] == "mailbox" and told["limits"][0]["used"] == 3
    assert told["networks"] == ["192.0.2.0/24"] and told["recipient_domains"] == ["example.org"] and "recipients" not in told
    assert told["queue_ids"]
    done = subprocess.run(["sh", "-c", told["commands"][1].replace("sendquota", str(daemon.command("status").args[0]) + f" --socket {daemon.admin}", 1)], check=True)
    assert done.returncode == 0 and not daemon.cli("show", ALICE)["blocked"]
    # Blocked again within the hour: left out; another sender is told.
    daemon.play(6, user=ALICE)
    wait_for(lambda: daemon.cli("show", ALICE)["blocked"], "blocked again")
    daemon.play(6, user=BOB)
    assert [one["identity"] for one in pager.wait_for(2)] == [f"user:{ALICE}", f"user:{BOB}"]
    wait_for(lambda: daemon.cli("status")["signals"]["notifications"] == 2, "both are counted")


def test_of_a_cluster_one_daemon_tells(running, pager):
    redis = running(Redis())
    daemons = [running(Daemon(config(pager), store=redis.url, name=f"node{number}")) for number in range(3)]
    daemons[0].play(6, user=ALICE)
    pager.wait_for(1)
    daemons[1].command("release", ALICE)
    daemons[1].play(6, user=ALICE)  # blocked anew, by another daemon: its event is left out
    wait_for(lambda: [event["event"] for event in daemons[2].cli("events", ALICE)["events"]].count("blocked") == 2, "it is blocked again")
    daemons[2].play(6, user=BOB)
    told = pager.wait_for(2)
    assert sorted(one["identity"] for one in told) == [f"user:{ALICE}", f"user:{BOB}"]
    wait_for(lambda: sum(daemon.cli("status")["signals"]["notifications"] for daemon in daemons) == 2, "all is counted")


def test_mail_does_not_wait_for_a_program_that_hangs_and_the_failure_is_said(running, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "slow").mkdir()
    hanging, pager = Pager(tmp_path / "slow", "sleep 60"), Pager(tmp_path, "echo relay is away >&2; exit 7")
    daemon = running(Daemon(config(hanging)))
    daemon.play(6, user=ALICE)
    wait_for(lambda: daemon.cli("show", ALICE)["blocked"], "blocked")
    begin = time.monotonic()
    daemon.play(10, user=BOB)
    assert time.monotonic() - begin < 5
    begin = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begin < 5
    other = running(Daemon(config(pager)))
    other.play(6, user=ALICE)
    other.wait_for_log(f"notify.command: {pager.program}: ended with 7; it said: relay is away; tried again later: event=blocked, identity=user:{ALICE}")
    wait_for(lambda: other.cli("status")["signals"]["notifications_failed"] == 1, "it is counted")
    assert any("notify.command has failed" in warning for warning in other.cli("status")["warnings"])


PHP = [{"name": "php", "per": "script", "when": "local", "limits": ["100 messages / 1h"], "action": "quarantine"}]


def age_uid(redis, uid, seconds):
    """As if its first script had sent so much earlier."""
    key = f"sendquota:scripts:{{{uid}}}"
    wait_for(lambda: redis.cli("HGET", key, "first"), "the uid is known")
    redis.cli("HSET", key, "first", str(int(redis.cli("HGET", key, "first")) - seconds))


def test_a_script_that_starts_to_send_is_told_once_in_the_cluster_after_a_week(running, pager):
    redis = running(Redis())
    nodes = [running(Daemon({"quota": PHP, "notify": {"command": str(pager.program), "on": ["new_script"]}}, store=redis.url, name=f"node{number}")) for number in range(3)]
    nodes[0].play(1, script="1000:form.php")
    (key,) = wait_for(lambda: redis.cli("--scan", "--pattern", "sendquota:scripts:*").split(), "its uid is known")
    uid = key.split("{")[1].rstrip("}")
    nodes[0].play(1, script="1000:second.php")
    wait_for(lambda: redis.cli("HGET", key, f"script {uid.removeprefix('uid:')}:second.php"), "that is learnt too")
    age_uid(redis, uid, 7 * 86400)
    for node in nodes:
        node.play(2, script="1000:form.php")
        node.play(2, script="1000:shell.php")
    (told,) = pager.wait_for(1)
    assert (told["event"], told["identity"]) == ("new_script", f"script:{uid.removeprefix('uid:')}:shell.php")
    assert "2 others are known" in told["text"] and told["recipient_domains"] == ["example.org"] and told["scripts"]
    assert told["commands"][1] == f"sendquota block {chr(39)}script:{uid.removeprefix('uid:')}:shell.php{chr(39)}"
    # More of the same uid within the hour are learnt, and said with the next that is told.
    for script in ("1.php", "2.php"):
        nodes[1].play(1, script=f"1000:{script}")
    wait_for(lambda: redis.cli("HGET", f"sendquota:told:new_script:{uid}", "left_out") == "2", "two are left out")
    assert [event["event"] for event in nodes[2].cli("events")["events"]].count("new_script") == 1 and len(pager.told()) == 1


def test_a_blocked_uid_is_told_with_its_scripts_and_what_they_sent(running, pager):
    owner = {"name": "owner", "per": "uid", "when": "local", "limits": ["3 messages / 1h"], "action": "quarantine", "block": {"after": "2 refusals / 1h", "for": ["released"]}}
    daemon = running(Daemon({"quota": [owner], "notify": {"command": str(pager.program)}}))
    for number in range(6):
        daemon.play(1, script=f"1000:{'mail' if number % 2 else 'shell'}.php")
    (told,) = pager.wait_for(1)  # that its mail is held is no incident of its own
    host = told["identity"].removeprefix("uid:")
    assert told["event"] == "blocked" and told["identity"].startswith("uid:") and sorted(told["scripts"]) == [f"{host}:mail.php", f"{host}:shell.php"]
    assert told["queue_ids"] and told["recipient_domains"] == ["example.org"] and told["limits"][0]["used"] == 3, told
    assert told["commands"][1] == f"sendquota release {chr(39)}{told['identity']}{chr(39)}"
    assert len(daemon.cli("show", told["identity"])["history"]["messages"]) == 6


def test_who_goes_on_after_the_refusals_leaves_his_evidence_in_the_notice(running, pager):
    redis = running(Redis())
    quota = {**QUOTA[0], "limits": ["25 messages / 30d"], "block": {"after": "320 refusals / 1h", "for": ["released"]}}
    daemon = running(Daemon({"quota": [quota], "notify": {"command": str(pager.program)}}, store=redis.url))
    daemon.play(400, user=ALICE)
    (told,) = pager.wait_for(1)
    assert told["event"] == "blocked" and told["recipient_domains"] == ["example.org"], told
    assert daemon.cli("show", ALICE)["history"]["messages"]  # what is asked for is written first
    messages = [line.split("\t") for line in redis.cli("LRANGE", f"sendquota:messages:{{user:{ALICE}}}", "0", "-1").splitlines()]
    sent = [words[4] for words in reversed(messages) if not words[1]]
    assert len(sent) == 25 and len(messages) == 125
    assert told["queue_ids"][:5] == sent[:5]


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_much_mail_that_no_quota_covers_is_told_once_and_stands_in_the_report(running, pager, store):
    url = running(Redis()).url if store == "redis" else "memory:"
    notify = {"command": str(pager.program), "on": ["many_uncovered"], "uncovered": "5 messages / 10m"}
    nodes = [running(Daemon({"quota": PHP, "notify": notify}, store=url, name=f"node{number}")) for number in range(1 if store == "memory" else 2)]
    for node in nodes:
        node.play(4, user=ALICE)
    assert pager.told() == []
    for node in nodes:
        node.play(6, user=ALICE)
    (told,) = pager.wait_for(1)
    assert told["event"] == "many_uncovered" and told["identity"] is None and told["commands"] == ["sendquota status"]
    assert "5 messages within 10m that no quota covers; the last is of user:" + ALICE in told["text"]
    assert "many_uncovered" in nodes[-1].command("report").stdout
    assert [event["event"] for event in nodes[-1].cli("report")["events"]] == ["many_uncovered"] and len(pager.told()) == 1


def test_the_report_has_what_notify_daily_names_and_no_older(running):
    daemon = running(Daemon({"quota": [{**QUOTA[0], "warn_at": "50%"}], "notify": {"daily": ["blocked"]}}))
    daemon.play(6, user=ALICE)
    wait_for(lambda: [event for event in daemon.cli("events")["events"] if event["event"] == "blocked"], "the block is written")
    assert {event["event"] for event in daemon.cli("events")["events"]} >= {"blocked", "warned"}
    assert [event["event"] for event in daemon.cli("report")["events"]] == ["blocked"]
    daemon.configure({"quota": QUOTA, "notify": {"daily": []}})
    daemon.reload()
    assert daemon.cli("report")["events"] == []


class Mailbox(socketserver.StreamRequestHandler):
    """An SMTP server that keeps what it is sent."""

    def handle(self):
        self.wfile.write(b"220 relay.test ESMTP\r\n")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                self.server.kept.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
            if line.upper().startswith(b"QUIT"):
                break
            self.wfile.write(b"250 well\r\n")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.kept.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """receiver(HANDLER): a server on loopback with .port and .kept."""
    servers = []

    def start(handler):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.kept, server.port = [], server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_example_mails_an_incident_through_a_relay_of_its_own(running, receiver):
    relay = receiver(Mailbox)
    daemon = running(Daemon({"quota": QUOTA, "notify": {"command": f"{CONTRIB}/mail 127.0.0.1:{relay.port} sendquota@example.test abuse@example.test", "addresses": True}}))
    daemon.play(6, user=ALICE)
    wait_for(lambda: relay.kept, "it is mailed")
    text = relay.kept[0]
    for part in (f"Subject: sendquota: blocked user:{ALICE} on ", "To: abuse@example.test", "mailbox, 3 messages / 1h, 3 used", "192.0.2.0/24",
                 "recipient1@example.org", f"sendquota release 'user:{ALICE}'"):
        assert part in text.replace("\r\n ", " "), text


def test_the_example_posts_an_incident_to_a_hook(running, receiver, tmp_path):
    hook = receiver(Hook)
    (tmp_path / "hook").write_text(f"http://127.0.0.1:{hook.port}/x\nAuthorization: Bearer secret\n")
    daemon = running(Daemon({"quota": QUOTA, "notify": {"command": f"{CONTRIB}/webhook {tmp_path}/hook"}}))
    daemon.play(6, user=ALICE)
    wait_for(lambda: hook.kept, "it is posted")
    headers, body = hook.kept[0]
    assert headers["Authorization"] == "Bearer secret" and json.loads(body)["identity"] == f"user:{ALICE}"


@pytest.mark.parametrize("words, wrong", [(["mail", "127.0.0.1:1", "a@b.test", "c@d.test"], "mail: ConnectionRefusedError"), (["mail"], "usage: mail RELAY"),
                                          (["webhook", "away"], "webhook: URLError"), (["webhook", "nonsense"], "webhook: ValueError"), (["webhook", "none"], "webhook: FileNotFoundError"),
                                          (["webhook"], "usage: webhook FILE")])
def test_an_example_that_fails_says_why_in_a_line(tmp_path, words, wrong):
    (tmp_path / "away").write_text("http://127.0.0.1:1/secret\n")
    (tmp_path / "nonsense").write_text("secret\n")
    incident = {key: None for key in ("identity", "severity", "at", "host", "by", "left_out", "event")} | {"text": "x", "limits": [], "commands": []}
    done = subprocess.run([CONTRIB / words[0], *words[1:]], input=json.dumps(incident), capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 1 and wrong in done.stderr and len(done.stderr.splitlines()) == 1 and "secret" not in done.stderr, done.stderr
