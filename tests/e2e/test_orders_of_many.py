"""Orders about mail in queues as many ask for them at once, and what a token that is not to be trusted can do to them."""

import threading
import time

import pytest

from rig import Redis, wait_for
from rig.tokens import ask, tcp_daemon, token

ALICE, HOST = "user:alice@example.test", "mail.example.com"
HOLD = {"name": "mailbox", "per": "user", "limits": ["2 messages / 1h"], "action": "quarantine"}
TOKENS = [token("read", "read"), token("other", "read"), token("third", "read"), token("support", "support"), token("admin", "admin"), token("acme", "support", "acme")]


def daemon_at(running, redis, **tables):
    return running(tcp_daemon({"quota": [HOLD], **tables}, store=redis.url, token=TOKENS))


@pytest.fixture
def daemon(running, redis):
    one = daemon_at(running, redis)
    one.play(5, user="alice@example.test")
    return one


def order(daemon, act="delete", **body):
    return ask(daemon, f"/v1/identities/{ALICE}/orders", "POST", token="admin", body={"fate": "held", "act": act, **body})


def wanted(daemon, host=HOST):
    """The ids of what that host is still to do."""
    return [one["order"] for one in ask(daemon, f"/v1/orders?host={host}", token="admin").body["orders"]]


def fill(redis, lua):
    assert redis.cli("EVAL", f"{lua} return 'filled'", "0").strip() == "filled"


def test_who_only_looks_makes_no_host_known(daemon):
    for number in range(300):
        assert ask(daemon, f"/v1/orders?host=invented-{number}.test", token="read").status == 200
    assert ask(daemon, "/v1/orders?host=mx2.example.test", token="admin").status == 200
    assert [host["host"] for host in order(daemon).body["hosts"]] == [HOST, "mx2.example.test"]
    assert ask(daemon, "/v1/orders?host=a%20b", token="read").body["error"].startswith("'a b' is no host's name")


def test_of_two_orders_that_two_daemons_give_at_once_exactly_one_is_carried_out(running, redis, daemon):
    daemons = [daemon, daemon_at(running, redis)]
    for _ in range(15):
        answers, both = [], threading.Barrier(2)
        def give(one, act):
            both.wait()
            answers.append(order(one, act))
        givers = [threading.Thread(target=give, args=pair) for pair in zip(daemons, ("send", "delete"))]
        for giver in givers:
            giver.start()
        for giver in givers:
            giver.join()
        assert [answer.status for answer in answers] == [200, 200]
        stays = wanted(daemons[0])
        assert len(stays) == 1 and wanted(daemons[1]) == stays
        assert stays[0] in {answer.body["order"] for answer in answers}


def test_an_order_that_is_given_while_the_store_fails_says_so_is_an_event_and_the_earlier_one_ends(daemon, redis):
    first = order(daemon).body["order"]
    # Nothing can be written of what hosts say, all else can.
    redis.cli("ACL", "SETUSER", "default", "resetkeys", "~sendquota:[^o]*", "~sendquota:o[^r]*", "~sendquota:orders", "%R~sendquota:order:*")
    answer = order(daemon, "send")
    assert answer.status == 503 and " is given, but the record did not answer after that: " in answer.body["error"], answer
    redis.cli("ACL", "SETUSER", "default", "resetkeys", "~*")
    later = answer.body["error"].split()[2]
    events = ask(daemon, "/v1/events", token="read").body["events"]
    assert [event["text"].split()[0] for event in events if event["event"] == "mail_order"] == ["send", "delete"]
    assert wanted(daemon) == [later]
    states = {one["order"]: one["hosts"][0] for one in ask(daemon, "/v1/orders", token="read").body["orders"]}
    assert (states[first]["state"], states[first]["error"]) == ("failed", f"replaced by the order {later}")


def test_20000_orders_that_are_over_keep_no_host_from_its_work(daemon, redis):
    now = int(time.time()) - 60
    fill(redis, f"""for n = 1, 22000 do redis.call('HSET', 'sendquota:orders', 'o' .. n, '{now}\\t{ALICE}\\theld\\tdelete\\t0\\t0\\tadmin\\t\\t{HOST}')
                    redis.call('HSET', 'sendquota:order:o' .. n, '{HOST}', '{now}\\tdone\\t0\\t0\\t0\\t0\\t0\\t') end""")
    wait_for(lambda: ask(daemon, f"/v1/orders?host={HOST}", token="admin").status == 200 and int(redis.cli("HLEN", "sendquota:orders")) == 1000, "the oldest are forgotten")
    given = order(daemon).body["order"]
    began = time.monotonic()
    assert wanted(daemon) == [given] and time.monotonic() - began < 1


def test_of_senders_whose_held_mail_goes_by_itself_each_has_its_turn(running, redis):
    daemon = daemon_at(running, redis, hold={"release": "auto"})
    now = int(time.time())
    fill(redis, f"""for n = 1, 90 do local who = string.format('user:u%03d@example.test', n)
                    redis.call('XADD', 'sendquota:held:{{' .. who .. '}}:{HOST}', '*', 'm', '{now}\\t4QHELD' .. n .. '\\t=\\t=\\t1\\t=\\t=')
                    redis.call('ZADD', 'sendquota:held-shelves', {now}000 + n, '{HOST} ' .. who) end""")
    seen = set()
    for _ in range(5):
        senders = ask(daemon, f"/v1/orders?host={HOST}", token="admin").body["auto"]
        assert len(senders) == 20
        seen |= set(senders)
    assert len(seen) == 90
    assert ask(daemon, f"/v1/orders?host={HOST}", token="read").body["auto"] == []


def test_searches_of_some_tokens_make_nobody_else_wait(daemon, redis):
    now = int(time.time())
    for part in range(10):
        fill(redis, f"""local texts = {{}}
                        for k = 1, 20 do texts[k] = '{now}\\t\\t\\t\\t4Q' .. k .. '\\tmx1\\t192.0.2.1\\t=\\t\\t<mark>\\t\\t\\tr@x.test\\tsubject ' .. k end
                        for n = 1, 5000 do redis.call('RPUSH', 'sendquota:messages:{{user:u' .. ({part} * 5000 + n) .. '@example.test}}', unpack(texts)) end""")
    statuses, ended = [], threading.Event()
    def search(name):
        while not ended.is_set():
            answer = ask(daemon, "/v1/who?name=nothing-there", token=name)
            statuses.append(answer.status)
            if answer.status == 429:
                assert answer.headers["Retry-After"] == "5"
                time.sleep(0.05)
    searchers = [threading.Thread(target=search, args=(name,)) for name in ("read", "other", "third", "read", "other", "third")]
    for searcher in searchers:
        searcher.start()
    try:
        wait_for(lambda: len(statuses) > 20, "they search")
        for path in ("/v1/blocked", "/v1/limits", "/v1/store", "/v1/events"):
            began = time.monotonic()
            assert ask(daemon, path, token="support").status == 200
            assert time.monotonic() - began < 1, path
    finally:
        ended.set()
        for searcher in searchers:
            searcher.join()
    assert 429 in statuses and set(statuses) <= {200, 404, 429}


def test_a_token_of_an_account_is_not_told_where_the_store_is(running):
    redis = running(Redis())
    one = tcp_daemon({"quota": [HOLD], "identity": {"accounts": "accounts"}}, store=redis.url, token=TOKENS)
    (one.path / "accounts").write_text("@acme.test acme gold\n")
    daemon = running(one)
    daemon.play(1, user="bob@acme.test")
    own = "/v1/identities/user:bob@acme.test"
    missing = ask(daemon, "/v1/who?name=nothing-there", token="acme")
    assert (missing.status, any(digit in missing.body["error"] for digit in "0123456789")) == (404, False)
    address = str(redis.socket)
    redis.kill()
    wait_for(lambda: ask(daemon, "/readyz").status == 503, "it is noticed")
    named = 0
    for method, path, body in (("GET", own, None), ("GET", own + "/history", None), ("GET", own + "/mail", None), ("GET", "/v1/top", None), ("GET", "/v1/senders", None),
                               ("GET", "/v1/totals", None), ("GET", "/v1/events", None), ("GET", "/v1/who?name=x", None), ("GET", "/v1/store", None),
                               ("POST", own + "/release", {}), ("POST", own + "/block", {}), ("POST", own + "/orders", {"fate": "held", "act": "send"})):
        answer = ask(daemon, path, method, token="acme", body=body)
        assert answer.status == 503 and ": " not in answer.body["error"] and address not in str(answer.body), (path, answer)
        named += address in str(ask(daemon, path, method, token="admin", body=body).body)
    assert named > 0
