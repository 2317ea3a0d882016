"""conf/redis-users.acl.example: each user can do all of its work, and nothing else."""

import re
import shlex
from pathlib import Path

import pytest

from rig import Daemon, Redis, wait_for
from test_manuals import PRINTED

EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "redis-users.acl.example"
ALWAYS = {"auth", "hello", "quit", "reset"}  # need no permission
QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["2 messages / 30d"],
           "block": {"after": "3 refusals / 10m", "for": ["1h", "released"]}},
          {"name": "php", "per": "script", "when": "local", "limits": ["1 messages / 30d"], "action": "quarantine"}]


@pytest.fixture
def redis(running, tmp_path):
    """A Redis that includes the example, as its text says."""
    file = tmp_path / "sendquota.conf"
    file.write_text(EXAMPLE.read_text())
    return running(Redis({"include": file}))


def granted(user):
    """The commands of a user's line, as ACL DRYRUN and COMMAND name them."""
    line = re.search(rf"^user {user} .*$", EXAMPLE.read_text(), re.M).group()
    return set(re.findall(r" \+(\S+)", line))


def all_commands(redis):
    """Every command that this Redis knows, subcommands as `client|id`."""
    names = redis.cli("COMMAND", "LIST").splitlines()
    parents = {name.split("|")[0] for name in names if "|" in name}
    return [name for name in names if name not in parents]


def may_run(redis, user, command):
    """Whether the user may run it, whatever its arguments are."""
    arity = abs(int(redis.cli("COMMAND", "INFO", command).splitlines()[1]))
    words = command.split("|")
    said = redis.cli("ACL", "DRYRUN", user, *words, *["1"] * max(0, arity - len(words)))
    return "has no permissions to run" not in said


@pytest.mark.parametrize("user", ["sendquotad", "sendquota-admin"])
def test_no_other_command_is_allowed(redis, user):
    allowed = {command for command in all_commands(redis) if may_run(redis, user, command)}
    assert allowed - ALWAYS == granted(user)


@pytest.mark.parametrize("user, key, refused", [
    ("sendquotad", "sendquota:blocked", False), ("sendquotad", "sendquota:{user:alice@example.com}", False),
    ("sendquotad", "other", True), ("sendquotad", "sendquota", True),
    ("sendquota-admin", "sendquota:blocked", False), ("sendquota-admin", "session:1", True)])
def test_no_other_key_is_touched(redis, user, key, refused):
    said = redis.cli("ACL", "DRYRUN", user, "HSET", key, "field", "text")
    assert (said != "OK") == refused, said


def test_a_script_of_the_daemons_user_reaches_no_other_key_and_no_other_command(redis):
    login = ("--user", "sendquotad", "--pass", "CHANGE-ME", "--no-auth-warning")
    for body, key in (("return redis.call('HSET', KEYS[1], 'a', 'b')", "other"), ("return redis.call('SELECT', 1)", "sendquota:x"),
                      ("return redis.call('FLUSHALL')", "sendquota:x"), ("return redis.call('HSET', 'other', 'a', 'b')", "sendquota:x")):
        with pytest.raises(RuntimeError, match="no permissions|can't (run|access)"):
            redis.cli(*login, "EVAL", body, "1", key)


def refusals(redis):
    """What Redis has refused to anybody, as `ACL LOG` tells."""
    return [line for line in redis.cli("ACL", "LOG").splitlines() if line]


def test_the_daemon_does_all_of_its_work_as_its_user(running, redis):
    url = f"unix:{redis.socket}?user=sendquotad&password=CHANGE-ME"
    daemon = running(Daemon({"quota": QUOTAS}, store=url))
    redis.cli("SCRIPT", "FLUSH")  # so that EVAL is needed too
    daemon.play(8, user="alice@example.com")
    wait_for(lambda: daemon.cli("blocked")["blocked"], "alice is blocked")
    assert [tried.verdict for tried in daemon.play(2, script="1000:form.php")] == ["accept", "quarantine"]
    for words in (["status"], ["limits"], ["show", "alice@example.com"], ["release", "alice@example.com"],
                  ["release", "alice@example.com"], ["block", "bob@example.com", "--for", "1h"], ["release", "bob@example.com"],
                  ["limit", "alice@example.com", "mailbox", "unlimited"], ["limit", "alice@example.com", "mailbox", "remove"],
                  ["mode", "observe"], ["mode", "config"], ["reload"]):
        daemon.cli(*words)
    redis.cli("HSET", "sendquota:blocked", "user:carol@example.com", "until=2099-12-01T00:00:00Z by hand", "Dave@Example.com", "by hand")
    wait_for(lambda: redis.hash("sendquota:blocked").get("user:carol@example.com", "").startswith("id="), "the entry is completed")
    wait_for(lambda: "user:dave@example.com" in redis.hash("sendquota:blocked"), "another spelling is renamed")
    redis.cli("HDEL", "sendquota:blocked", "user:carol@example.com")
    wait_for(lambda: "released" in redis.cli("XREVRANGE", "sendquota:events", "+", "-", "COUNT", "2"), "the release is told")
    redis.cli("DEL", "sendquota:blocked")
    wait_for(lambda: "epoch" in redis.hash("sendquota:blocked"), "the table is marked again")
    assert refusals(redis) == []
    assert daemon.cli("status")["store"]["state"] == "ok"
    assert daemon.log("NOPERM") == []


def test_redis_announces_changes_to_the_daemons_user(running, redis):
    running(Daemon({"quota": QUOTAS}, store=f"unix:{redis.socket}?user=sendquotad&password=CHANGE-ME"))
    clients = wait_for(lambda: [line for line in redis.cli("CLIENT", "LIST").splitlines() if "user=sendquotad" in line], "it is connected")
    assert any("sub=1" in client for client in clients) and any(re.search(r"redir=\d", client) for client in clients)


@pytest.mark.parametrize("line", PRINTED)
def test_an_administrators_user_may_do_what_the_manual_prints(redis, line):
    assert redis.cli("ACL", "DRYRUN", "sendquota-admin", *shlex.split(line)[1:]) == "OK"
