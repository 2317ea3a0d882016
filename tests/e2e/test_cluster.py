"""Several MTAs, a daemon each, one Redis: one limit for all of them, exactly, while all send at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rig import Daemon, Postfix, Redis, send_many


@pytest.fixture
def cluster(running):
    """cluster(QUOTAS) is two nodes (daemon, Postfix) on one Redis."""
    def start(*quotas):
        redis = running(Redis())
        daemons = [running(Daemon({"quota": list(quotas)}, store=redis.url, name=f"node{index}")) for index in (1, 2)]
        return [(daemon, running(Postfix(f"mx{index}", milters=[daemon.milter]))) for index, daemon in enumerate(daemons, 1)]
    return start


def send_at_once(nodes, logins, tries):
    """Every login on every node at the same time, `tries` messages each over 4 connections; returns all outcomes by login."""
    jobs = [(mx.ports["xclient"], login) for _, mx in nodes for login in logins]
    with ThreadPoolExecutor(len(jobs)) as pool:
        done = pool.map(lambda job: (job[1], send_many(job[0], tries, connections=4, xclient=job[1])), jobs)
        return [(login, outcome) for login, outcomes in done for outcome in outcomes]


@pytest.mark.parametrize("per, logins", [
    ("user", ["alice@example.test"]),
    ("user_domain", ["alice@example.test", "bob@EXAMPLE.test", "carol@example.test"]),
    ("everyone", ["alice@example.test", "bob@other.test", "carol@third.test"]),
])
def test_two_nodes_under_load_let_exactly_one_limit_through(cluster, per, logins):
    nodes = cluster({"name": "total", "per": per, "limits": ["250 messages / 30d"]})
    outcomes = [outcome for _, outcome in send_at_once(nodes, logins, tries=240 // len(logins))]
    assert sum(outcome.accepted for outcome in outcomes) == 250
    refused = [outcome for outcome in outcomes if not outcome.accepted]
    assert all(str(outcome).split(": ", 1)[1].startswith("451 4.7.1 Sending limit reached: 250 of 250 messages (quota total") for outcome in refused)
    identity = {"user": "user:alice@example.test", "user_domain": "user_domain:example.test", "everyone": "everyone:all"}[per]
    for daemon, _ in nodes:
        assert daemon.used(identity, "total") == 250
        assert 0 < len(daemon.verdicts(verdict="accept")) < 250, "both nodes took part"


def test_limits_of_a_login_and_its_domain_add_up_under_load_and_refused_mail_costs_nothing(cluster):
    nodes = cluster({"name": "mailbox", "per": "user", "limits": ["40 messages / 30d"]},
                    {"name": "domain", "per": "user_domain", "limits": ["100 messages / 30d"]})
    logins = ["alice@example.test", "bob@example.test", "carol@example.test", "dave@other.test"]
    outcomes = send_at_once(nodes, logins, tries=30)
    accepted = {login: sum(outcome.accepted for sender, outcome in outcomes if sender == login) for login in logins}
    assert accepted["dave@other.test"] == 40
    assert sum(accepted.values()) == 140 and max(accepted.values()) == 40
    daemon = nodes[0][0]
    assert daemon.used("user_domain:example.test", "domain") == 100
    assert {login: daemon.used(login) for login in logins} == accepted


def test_a_reply_names_no_domain_or_total_to_the_sender(cluster):
    (_, mx), _ = cluster({"name": "domain", "per": "user_domain", "limits": ["1 messages / 30d"]})
    _, refused = send_many(mx.ports["xclient"], 2, xclient="alice@example.test")
    assert "(quota domain)" in refused.text and "example.test" not in refused.text
