"""The daemons that share a store: who there is, whose configuration differs, and what befell the store."""

import datetime
import re
import socket
import time

from rig import Daemon, wait_for
from rig.blocks import events, mailbox, moment

NODES = "sendquota:nodes"


def listed(daemon):
    return {row["node"]: row for row in daemon.cli("nodes")["nodes"]}


def own(daemon):
    return next(name for name, row in listed(daemon).items() if row["self"])


def test_each_daemon_is_listed_with_version_fingerprint_and_state(node, redis):
    first, second = node(), node()
    wait_for(lambda: first.cli("nodes")["alive"] == 2, "both are listed")
    assert own(first) != own(second) and own(first).startswith(socket.gethostname() + "/")
    rows = listed(first)
    for row in rows.values():
        assert re.fullmatch(r"[0-9a-f]{12}", row["config"]) and row["version"] and row["state"] == "normal" and row["alive"]
        assert not row["differs"]
    assert len({row["config"] for row in rows.values()}) == 1
    assert rows[own(first)]["config"] == first.cli("status")["config"]["fingerprint"]
    assert set(redis.hash(NODES)) == set(rows)
    shown = first.command("nodes").stdout
    assert "NODE" in shown and all(name in shown for name in rows) and "2 daemons run" in shown


def test_a_daemon_that_stops_says_so_and_still_counts(node):
    first, second = node(), node()
    name = own(second)
    wait_for(lambda: first.cli("status")["nodes"]["counted"] == 2, "both count", deadline=15)
    second.stop()
    row = listed(first)[name]
    assert row["state"] == "stopped" and not row["alive"]
    assert first.cli("nodes")["counted"] == 2 and first.cli("nodes")["alive"] == 1


def test_the_number_of_nodes_survives_a_start_without_the_store(node, redis):
    first, second = node(), node()
    first.reload()  # a heartbeat
    wait_for(lambda: first.cli("status")["nodes"]["shared_by"] == 2, "two share")
    redis.kill()
    first.kill()
    first.start()
    assert first.cli("status")["nodes"]["shared_by"] == 2
    shown = first.cli("nodes")
    assert shown["error"] and shown["shared_by"] == 2


def test_a_node_that_is_gone_for_a_day_is_taken_away(node, redis):
    redis.cli("HSET", NODES, "gone", "version=1 config=x seen=2020-01-01T00:00:00Z state=normal")
    redis.cli("HSET", NODES, "down", f"version=1 config=x seen={ago(hours=23)} state=normal")
    daemon = node()
    wait_for(lambda: "gone" not in redis.hash(NODES), "it is taken away")
    assert daemon.cli("nodes")["counted"] == 2
    assert not listed(daemon)["down"]["alive"]


def ago(**delta):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def age_config(redis, name, **delta):
    """As if this node had had its configuration for so long already."""
    text = redis.hash(NODES)[name]
    redis.cli("HSET", NODES, name, re.sub(r"config_since=\S+", f"config_since={ago(**delta)}", text))


def test_different_configurations_are_marked_at_once_and_an_event_after_five_minutes_once(node, redis):
    daemons = [node(), node(), node(mailbox("51 messages / 30d"))]
    wait_for(lambda: daemons[0].cli("nodes")["alive"] == 3, "all are listed")
    odd = own(daemons[2])
    assert [name for name, row in listed(daemons[0]).items() if row["differs"]] == [odd]
    assert "differs" in daemons[0].command("nodes").stdout
    daemons[0].reload()  # a heartbeat
    wait_for(lambda: daemons[0].cli("status")["nodes"]["differ"], "the status says so")
    assert not events(redis, "config_differs")

    names = [own(daemon) for daemon in daemons]
    for daemon in daemons:
        daemon.kill()
    for name in names:  # a restart with the same configuration has had it for as long as before
        age_config(redis, name, minutes=6)
    for daemon in daemons:
        daemon.start()
    found = wait_for(lambda: events(redis, "config_differs"), "it is told")
    assert odd in found[0]["text"]
    for daemon in daemons:
        daemon.reload()
    wait_for(lambda: all(moment(row["seen"]) > moment(ago(seconds=5)) for row in listed(daemons[0]).values()), "all looked again")
    assert len(events(redis, "config_differs")) == 1

    daemons[2].configure({"quota": [mailbox()]})
    daemons[2].reload()
    wait_for(lambda: not any(row["differs"] for row in listed(daemons[0]).values()), "the odd one has come round")


def test_a_fixed_number_that_is_too_small_is_told_once(node, redis):
    daemons = [node(store={"nodes": 1}) for _ in range(3)]
    found = wait_for(lambda: events(redis, "nodes_too_small"), "it is told", deadline=15)
    assert 'write' in found[0]["text"] and found[0]["severity"] == "warning"
    assert len({event["text"] for event in events(redis, "nodes_too_small")}) == len(events(redis, "nodes_too_small"))
    assert daemons[0].cli("nodes")["setting"] == 1 and daemons[0].cli("nodes")["shared_by"] == 1


def test_with_memory_a_daemon_lists_itself(running):
    daemon = running(Daemon({"quota": [mailbox()]}))
    answer = wait_for(lambda: daemon.cli("nodes")["nodes"] and daemon.cli("nodes"), "it is listed")
    assert [row["self"] for row in answer["nodes"]] == [True]
    assert answer["setting"] == "auto" and answer["shared_by"] == 1 and answer["error"] is None


def test_an_outage_is_one_log_line_at_each_end_and_two_events_in_the_stream_with_their_moments(node, redis):
    daemon = node()
    began = time.time()
    redis.kill()
    daemon.wait_for_log("event=degraded")
    store = daemon.cli("status")["store"]
    assert store["state"] == "degraded" and store["error"]
    time.sleep(1.2)
    redis.start()
    daemon.wait_for_log("event=recovered")
    told = wait_for(lambda: [event for event in events(redis) if event["event"] in ("degraded", "recovered")][1:] and events(redis),
                    "both are in the stream")
    told = [event for event in told if event["event"] in ("degraded", "recovered")]
    assert [event["event"] for event in told] == ["degraded", "recovered"]
    assert "since 20" in told[0]["text"] and "it had no answer for" in told[1]["text"]
    at = moment(re.search(r"since (\S+Z)", told[0]["text"]).group(1)).timestamp()
    assert began - 1 < at < began + 3
    status = daemon.cli("status")["store"]
    assert status["state"] == "ok" and status["last_outage"]["error"]
    assert len(daemon.log("event=degraded")) == 1 and len(daemon.log("event=recovered")) == 1
    assert "had no answer from" in " ".join(daemon.command("status").stdout.split())
