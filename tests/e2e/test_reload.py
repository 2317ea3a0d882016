"""Reload under load, and what of a daemon's memory survives its end."""

import re
import threading

import pytest

from rig import Client, Daemon, Postfix, Redis, wait_for

ALICE = "user:alice@example.test"


def config(limit="100000 messages / 30d", **tables):
    return {"quota": [{"name": "mailbox", "per": "user", "limits": [limit]}], **tables}


class Load:
    """Senders that go on sending over one connection each until stop(); `outcomes` is what became of their messages."""

    def __init__(self, mx, logins):
        self.outcomes = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(mx.ports["xclient"], login)) for login in logins]
        for thread in self._threads:
            thread.start()

    def _send(self, port, login):
        with Client(port, xclient=login) as client:
            while not self._ended.is_set():
                self.outcomes.append(client.send())

    def goes_on(self, messages=20):
        """Waits until so many more messages are through."""
        before = len(self.outcomes)
        wait_for(lambda: len(self.outcomes) >= before + messages, "mail goes on")

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return self.outcomes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@pytest.fixture(params=["memory", "redis"])
def store(request, running):
    return "memory:" if request.param == "memory" else running(Redis()).url


@pytest.fixture
def host(running, store):
    daemon = running(Daemon(config(), store=store))
    return daemon, running(Postfix(milters=[daemon.milter]))


LOGINS = ["alice", "bob", "carol"]


def test_reloads_under_load_drop_no_connection_and_lose_no_bucket(running, host):
    daemon, mx = host
    load = running(Load(mx, LOGINS))
    for number in range(1, 11):
        load.goes_on()
        daemon.configure(config(reply={"contact": f"https://help.example.test/{number}"}))
        if number % 2:
            daemon.hangup()
        else:
            daemon.reload()
        daemon.wait_for_log(r"info: reloaded ", number)
    load.goes_on()
    outcomes = load.stop()
    assert all(outcome.accepted for outcome in outcomes), [outcome for outcome in outcomes if not outcome.accepted][:3]
    assert sum(daemon.used(f"{login}@example.test") for login in LOGINS) == len(outcomes)
    assert len(daemon.verdicts(verdict="accept")) == len(outcomes)
    assert daemon.process.poll() is None


def test_a_kept_connection_follows_a_reload_with_its_next_message(host):
    daemon, mx = host
    with Client(mx.ports["xclient"], xclient="alice") as alice:
        assert all(alice.send().accepted for _ in range(3))
        daemon.configure(config("3 messages / 30d"))
        daemon.reload()
        refused = alice.send()
        assert refused.code == 451 and "3 of 3 messages" in refused.text
        daemon.configure(config("5 messages / 30d"))
        daemon.reload()
        assert [alice.send().accepted for _ in range(3)] == [True, True, False], "what was used stays used"


def test_a_broken_configuration_is_refused_whole_and_the_old_one_goes_on(running, host):
    daemon, mx = host
    load = running(Load(mx, ["alice"]))
    load.goes_on(5)
    broken = config("1 messages / 30d", hold={"max": -1, "tehn": "discard"}, nonsense={"key": 1})
    daemon.configure(broken)
    done = daemon.command("reload")
    assert done.returncode == 78, done
    for word in ("sendquota.toml:", "hold.max", "tehn", "nonsense"):
        assert word in done.stdout + done.stderr
    daemon.hangup()
    assert len(daemon.wait_for_log("reload refused .*the old configuration goes on", 2)) == 2
    assert daemon.log(r"asked by SIGHUP") and daemon.log(r"asked by root")
    load.goes_on(10)
    daemon.config_file.unlink()
    assert daemon.command("reload").returncode == 78
    load.goes_on(5)
    assert all(outcome.accepted for outcome in load.stop()), "not a word of it was taken over"


def test_changed_accounts_are_obeyed_without_a_reload_and_broken_ones_are_not_taken(running):
    customers = {"name": "customer", "per": "account", "limits": ["5 messages / 30d"],
                 "override": [{"match": ["plan:gold"], "limits": ["unlimited"]}]}
    daemon = Daemon({"quota": [customers], "identity": {"default_realm": "example.test", "accounts": "accounts"}})
    accounts = daemon.path / "accounts"

    def write(text):
        fresh = daemon.path / "accounts.new"
        fresh.write_text(text)
        fresh.rename(accounts)

    write("user:alice acme\n@example.test others\n")
    running(daemon)
    assert [tried.accepted for tried in daemon.play(6, user="alice")] == [True] * 5 + [False]
    write("user:alice acme gold\n@example.test others\n")
    daemon.wait_for_log(r"the accounts have changed, and were read anew from accounts, owners: 2")
    assert all(tried.accepted for tried in daemon.play(3, user="alice"))
    assert daemon.used("account:others", "customer") == 0

    write("user:alice acme gold\n\nalice acme\n")
    daemon.wait_for_log(re.escape(f"{accounts}:3: 'alice' is no identity"))
    assert all(tried.accepted for tried in daemon.play(3, user="alice")), "the accounts that are known go on"
    write("user:bob acme gold\n")
    daemon.wait_for_log(r"the accounts have changed, and were read anew from accounts, owners: 1")
    assert len(daemon.log(r"the accounts have changed, but cannot be used")) == 1, "told once, not each second"
    assert daemon.command("reload").returncode == 0, "a reload reads them as well"


@pytest.mark.parametrize("key, tables", [
    ("store.url", {"store": {"url": "redis://127.0.0.1:6379"}}),
    ("store.state_dir", {"store": {"state_dir": "/tmp"}}),
    ("milter.listen", {"milter": {"listen": "unix:/tmp/elsewhere.sock"}}),
])
def test_what_needs_a_restart_is_refused_with_its_name(running, key, tables):
    daemon = running(Daemon(config("3 messages / 30d")))
    daemon.play(2, user="alice")
    daemon.configure(config("1 messages / 30d", **tables))
    done = daemon.command("reload")
    assert done.returncode == 78, done
    assert f"{key} changed; this takes effect with a restart only" in done.stdout + done.stderr
    assert [tried.accepted for tried in daemon.play(2, user="alice")] == [True, False], "the old limit goes on"


def test_a_second_daemon_does_not_take_the_socket_of_the_first(running):
    first = running(Daemon(config()))
    second = Daemon(config(milter={"listen": first.milter}))
    try:
        with pytest.raises(RuntimeError, match="another sendquotad already listens on"):
            second.start()
    finally:
        second.close()
    assert first.play(user="alice")[0].accepted


# The memory store over the daemon's end

def level(daemon):
    (limit,) = daemon.cli("show", "alice@example.test")["limits"]
    return limit["used"], limit["full_at"]


def test_a_clean_stop_keeps_every_bucket_exactly(running):
    daemon = running(Daemon(config("5 messages / 30d")))
    daemon.play(3, user="alice")
    before = level(daemon)
    assert daemon.stop() == 0
    daemon.start()
    assert level(daemon) == before and before[0] == 3
    assert [tried.accepted for tried in daemon.play(3, user="alice")] == [True, True, False]


def test_after_a_crash_blocks_and_limits_stand_and_buckets_are_as_of_the_last_snapshot(running):
    daemon = running(Daemon(config("9 messages / 30d")))
    daemon.play(3, user="alice")
    daemon.restart()                       # writes a snapshot; the next one would be a minute later
    daemon.play(2, user="alice")
    daemon.cli("block", "bob@example.test", "--reason", "stolen")
    daemon.cli("block", "carol@example.test", "--reason", "a mistake")
    daemon.cli("release", "carol@example.test")
    daemon.cli("limit", "dave@example.test", "mailbox", "none")
    daemon.cli("mode", "observe")
    daemon.kill()
    daemon.start()
    assert daemon.used("alice@example.test") == 3
    assert [row["identity"] for row in daemon.cli("blocked")["blocked"]] == ["user:bob@example.test"]
    assert daemon.play(user="bob")[0].verdict == "reject"
    assert daemon.cli("mode")["live"] == "observe"
    daemon.cli("mode", "config")
    wait_for(lambda: daemon.play(user="dave")[0].verdict == "reject", "the live limit stands")


def test_a_crash_on_redis_loses_nothing(running):
    redis = running(Redis())
    daemon = running(Daemon(config("5 messages / 30d"), store=redis.url))
    daemon.play(3, user="alice")
    daemon.cli("block", "bob@example.test")
    before = level(daemon)
    daemon.kill()
    daemon.start()
    assert level(daemon) == before
    assert daemon.play(user="bob")[0].verdict == "reject"


def test_damaged_state_is_set_aside_and_the_daemon_starts(running):
    daemon = running(Daemon(config("5 messages / 30d")))
    daemon.play(3, user="alice")
    daemon.stop()
    for file in (daemon.path / "state").iterdir():
        if file.is_file() and file.stat().st_size:
            file.write_bytes(b"\xff" * 200 + file.read_bytes()[200:])
    daemon.start()
    assert daemon.log(r"(warning|error): .*(set aside|damaged)"), daemon.log()
    assert daemon.play(user="alice")[0].accepted


def test_a_stop_under_load_ends_well_and_keeps_what_was_accepted(running, host):
    daemon, mx = host
    load = running(Load(mx, LOGINS))
    load.goes_on()
    assert daemon.stop() == 0
    outcomes = load.stop()
    daemon.start()
    accepted = sum(outcome.accepted for outcome in outcomes)
    used = sum(daemon.used(f"{login}@example.test") for login in LOGINS)
    assert accepted <= used <= accepted + len(LOGINS), "at most the message that was just under way was charged and not let through"


def test_messages_in_flight_are_answered_before_a_stop(running):
    daemon = running(Daemon(config()))
    mx = running(Postfix(milters=[daemon.milter]))
    with Client(mx.ports["xclient"], xclient="alice") as alice:
        alice.smtp.mail("alice@example.test")
        alice.smtp.rcpt("dest@remote.test")
        daemon.process.terminate()
        daemon.wait_for_log("stopping, after the messages in flight")
        assert alice.smtp.data("Subject: last\r\n\r\nhello\r\n")[0] == 250
    assert daemon.process.wait(5) == 0
    assert daemon.start().used("alice@example.test") == 1
