"""What Prometheus, and whoever watches a daemon, reads from the admin socket."""

import re
import signal
import socket

import pytest

from rig import Daemon, Redis, wait_for

ALICE = "alice@example.test"
QUOTA = [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"]}]


def get(daemon, path):
    """Status, headers and body of a GET on the admin socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon.admin))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    head, body = answer.split("\r\n\r\n", 1)
    return int(head.split()[1]), head, body


def metrics(daemon):
    """{name{labels}: value}, after a look at the format."""
    status, head, text = get(daemon, "/metrics")
    assert status == 200 and "Content-Type: text/plain; version=0.0.4" in head
    values, types = {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            kind, name, rest = re.fullmatch(r"# (HELP|TYPE) (sendquota_[a-z_]+) (.+)", line).groups()
            if kind == "TYPE":
                assert name not in types and rest in ("counter", "gauge", "histogram")
                types[name] = rest
            continue
        name, labels, value = re.fullmatch(r"(sendquota_[a-z_]+)(\{[^}]*\})? (\S+)", line).groups()
        if types.get(family := re.sub("_(bucket|sum|count)$", "", name)) != "histogram":
            assert name.endswith("_total") == (types[name] == "counter"), line
        else:
            assert (labels is not None) == name.endswith("_bucket") and family.endswith("_seconds"), line
        assert name + (labels or "") not in values
        values[name + (labels or "")] = float(value)
    return values


@pytest.fixture(params=["memory", "redis"])
def daemon(request, running):
    return running(Daemon({"quota": QUOTA}, store=running(Redis()).url if request.param == "redis" else "memory:"))


def test_messages_are_counted_by_verdict_and_cause_and_no_sender_is_named(daemon):
    before = metrics(daemon)
    daemon.play(5, user=ALICE)
    daemon.command("block", ALICE)
    wait_for(lambda: metrics(daemon)["sendquota_blocked"] == 1, "the block is counted")
    after = metrics(daemon)
    grown = {name: after[name] - before[name] for name in after if name in before and after[name] != before[name]}
    assert {name: grown[name] for name in grown if "messages_total" in name or "causes_total" in name} == {
        'sendquota_messages_total{verdict="accept"}': 3, 'sendquota_messages_total{verdict="tempfail"}': 2,
        'sendquota_causes_total{cause="within"}': 3, 'sendquota_causes_total{cause="over"}': 2}
    assert grown["sendquota_recipients_total"] == 3
    assert after["sendquota_store_up"] == after["sendquota_record_up"] == 1 and after["sendquota_nodes"] >= 0
    assert ALICE not in get(daemon, "/metrics")[2]
    assert any(re.fullmatch(r'sendquota_build_info\{version="[0-9.]+",config="[0-9a-f]{12}"\}', name) for name in after)


def test_a_daemon_is_healthy_and_ready_only_while_its_store_answers(running):
    redis = running(Redis())
    daemon = running(Daemon({"quota": QUOTA}, store=redis.url))
    assert get(daemon, "/healthz")[0] == get(daemon, "/readyz")[0] == 200
    redis.process.send_signal(signal.SIGSTOP)
    try:
        daemon.play(1, user=ALICE)
        wait_for(lambda: get(daemon, "/readyz")[0] == 503, "it is not ready")
        assert get(daemon, "/healthz")[0] == 200
        assert metrics(daemon)["sendquota_store_up"] == 0
    finally:
        redis.process.send_signal(signal.SIGCONT)
    wait_for(lambda: get(daemon, "/readyz")[0] == 200, "it is ready again")
