"""conf/redis-users.acl.example and redis-sentinel-users.acl.example: each user can do all of its work, and nothing else."""

import json
import re
import shlex
from pathlib import Path

import pytest

from rig import Daemon, Redis, Sentinel, free_port, wait_for
from test_manuals import PRINTED

CONF = Path(__file__).resolve().parents[2] / "conf"
EXAMPLE = (CONF / "redis-users.acl.example").read_text()
AT_SENTINELS = (CONF / "redis-sentinel-users.acl.example").read_text()
TOPOLOGIES = {"one server": None, "sentinels": "Behind sentinels", "cluster": "In a Cluster"}
ALWAYS = {"auth", "hello", "quit", "reset"}  # need no permission
QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["2 messages / 30d"],
           "block": {"after": "3 refusals / 10m", "for": ["1h", "released"]}},
          {"name": "php", "per": "script", "when": "local", "limits": ["1 messages / 30d"], "action": "quarantine"}]


def rules(topology):
    """The example, with what its text adds to the line of the daemons for this topology."""
    if not TOPOLOGIES[topology]:
        return EXAMPLE
    more = re.search(rf"^# +{TOPOLOGIES[topology]}, add to the line of the daemons: +(\+.*)$", EXAMPLE, re.M).group(1)
    return re.sub(r"^user sendquotad .*$", lambda line: f"{line.group()} {more}", EXAMPLE, flags=re.M)


@pytest.fixture(params=TOPOLOGIES)
def topology(request):
    return request.param


@pytest.fixture
def redis(running, tmp_path, topology):
    """A Redis that includes the example, as its text says; in a Cluster, all of it."""
    file = tmp_path / "sendquota.conf"
    file.write_text(rules(topology))
    if topology != "cluster":
        return running(Redis({"include": file}))
    redis = running(Redis({"include": file, "cluster-enabled": "yes", "cluster-port": free_port()}))
    redis.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    wait_for(lambda: "cluster_state:ok" in redis.cli("CLUSTER", "INFO"), "the cluster is in order")
    return redis


@pytest.fixture
def sentinel(running, redis, topology):
    """One with the rules of its example; none where the topology has none."""
    return running(Sentinel(redis, users=AT_SENTINELS)) if topology == "sentinels" else None


@pytest.fixture
def store(redis, sentinel, topology):
    """The store.url of the daemons."""
    if topology == "one server":
        return f"unix:{redis.socket}?user=sendquotad&password=CHANGE-ME"
    if topology == "cluster":
        return f"redis+cluster://sendquotad:CHANGE-ME@127.0.0.1:{redis.port}"
    return (f"redis+sentinel://sendquotad:CHANGE-ME@127.0.0.1:{sentinel.port}/mymaster/0"
            "?sentinel_user=sendquotad&sentinel_password=CHANGE-ME")


def granted(user, text):
    """The commands of a user's line, as ACL DRYRUN and COMMAND name them."""
    line = re.search(rf"^user {user} .*$", text, re.M).group()
    return set(re.findall(r" \+(\S+)", line))


def all_commands(server):
    """Every command that the server knows, subcommands as `client|id`, and how many words it needs at least."""
    names = server.cli("COMMAND", "LIST").splitlines()
    parents = {name.split("|")[0] for name in names if "|" in name}
    leaves = [name for name in names if name not in parents]
    return {info[0]: abs(info[1]) for info in json.loads(server.cli("--json", "COMMAND", "INFO", *leaves))}


def runnable(server, user):
    """The commands that the user may run, whatever their arguments are."""
    commands = all_commands(server)
    lines = [" ".join(["ACL", "DRYRUN", user, *name.split("|"), *["1"] * (arity - len(name.split("|")))]) for name, arity in commands.items()]
    said = [line for line in server.cli(typed="\n".join(lines)).splitlines() if line]
    assert len(said) == len(commands)
    return {name for name, answer in zip(commands, said) if "has no permissions to run" not in answer}


@pytest.mark.parametrize("topology, user", [("one server", "sendquotad"), ("one server", "sendquota-admin"),
                                            ("sentinels", "sendquotad"), ("cluster", "sendquotad")], indirect=["topology"])
def test_no_other_command_is_allowed(redis, topology, user):
    assert len(all_commands(redis)) > 300
    assert runnable(redis, user) - ALWAYS == granted(user, rules(topology))


@pytest.mark.parametrize("topology", ["sentinels"], indirect=True)
def test_no_other_command_is_allowed_at_the_sentinels(sentinel):
    assert {"sentinel|failover", "sentinel|set", "sentinel|remove"} < set(all_commands(sentinel))
    assert runnable(sentinel, "sendquotad") - ALWAYS == granted("sendquotad", AT_SENTINELS)


@pytest.mark.parametrize("topology", ["one server"], indirect=True)
@pytest.mark.parametrize("user, key, refused", [
    ("sendquotad", "sendquota:blocked", False), ("sendquotad", "sendquota:{user:alice@example.com}", False),
    ("sendquotad", "other", True), ("sendquotad", "sendquota", True),
    ("sendquota-admin", "sendquota:blocked", False), ("sendquota-admin", "session:1", True)])
def test_no_other_key_is_touched(redis, user, key, refused):
    said = redis.cli("ACL", "DRYRUN", user, "HSET", key, "field", "text")
    assert (said != "OK") == refused, said


@pytest.mark.parametrize("topology", ["one server"], indirect=True)
def test_a_script_of_the_daemons_user_reaches_no_other_key_and_no_other_command(redis):
    login = ("--user", "sendquotad", "--pass", "CHANGE-ME", "--no-auth-warning")
    for body, key in (("return redis.call('HSET', KEYS[1], 'a', 'b')", "other"), ("return redis.call('SELECT', 1)", "sendquota:x"),
                      ("return redis.call('FLUSHALL')", "sendquota:x"), ("return redis.call('HSET', 'other', 'a', 'b')", "sendquota:x")):
        with pytest.raises(RuntimeError, match="no permissions|can't (run|access)"):
            redis.cli(*login, "EVAL", body, "1", key)


def refusals(server):
    """What Redis, or a sentinel, has refused to anybody, as `ACL LOG` tells."""
    return [line for line in server.cli("ACL", "LOG").splitlines() if line]


def test_the_daemon_does_all_of_its_work_as_its_user(running, redis, sentinel, store):
    daemon = running(Daemon({"quota": QUOTAS}, store=store))
    redis.cli("SCRIPT", "FLUSH")  # so that EVAL is needed too
    daemon.play(8, user="alice@example.com")
    wait_for(lambda: daemon.cli("blocked")["blocked"], "alice is blocked")
    assert [tried.verdict for tried in daemon.play(2, script="1000:form.php")] == ["accept", "quarantine"]
    for words in (["status"], ["limits"], ["show", "alice@example.com"], ["release", "alice@example.com"],
                  ["release", "alice@example.com"], ["block", "bob@example.com", "--for", "1h"], ["release", "bob@example.com"],
                  ["limit", "alice@example.com", "mailbox", "unlimited"], ["limit", "alice@example.com", "mailbox", "remove"],
                  ["mode", "observe"], ["mode", "config"], ["reload"], ["top"], ["events", "alice@example.com"], ["who", "192.0.2.1"]):
        daemon.cli(*words)
    redis.cli("HSET", "sendquota:blocked", "user:carol@example.com", "until=2099-12-01T00:00:00Z by hand", "Dave@Example.com", "by hand")
    wait_for(lambda: redis.hash("sendquota:blocked").get("user:carol@example.com", "").startswith("id="), "the entry is completed")
    wait_for(lambda: "user:dave@example.com" in redis.hash("sendquota:blocked"), "another spelling is renamed")
    redis.cli("HDEL", "sendquota:blocked", "user:carol@example.com")
    wait_for(lambda: "released" in redis.cli("XREVRANGE", "sendquota:events", "+", "-", "COUNT", "2"), "the release is told")
    redis.cli("DEL", "sendquota:blocked")
    wait_for(lambda: "epoch" in redis.hash("sendquota:blocked"), "the table is marked again")
    assert [refusals(server) for server in (redis, sentinel) if server] == [[]] * (2 if sentinel else 1)
    assert daemon.cli("status")["store"]["state"] == "ok"
    assert daemon.log("NOPERM") == []


@pytest.mark.parametrize("topology", ["one server"], indirect=True)
def test_redis_announces_changes_to_the_daemons_user(running, redis):
    running(Daemon({"quota": QUOTAS}, store=f"unix:{redis.socket}?user=sendquotad&password=CHANGE-ME"))
    clients = wait_for(lambda: [line for line in redis.cli("CLIENT", "LIST").splitlines() if "user=sendquotad" in line], "it is connected")
    assert any("sub=1" in client for client in clients) and any(re.search(r"redir=\d", client) for client in clients)


@pytest.mark.parametrize("topology", ["one server"], indirect=True)
@pytest.mark.parametrize("line", PRINTED)
def test_an_administrators_user_may_do_what_the_manual_prints(redis, line):
    assert redis.cli("ACL", "DRYRUN", "sendquota-admin", *shlex.split(line)[1:]) == "OK"
