"""The admin endpoint over TCP: who is let in, and what he may do there."""

import contextlib
import http.client
import signal
import socket
import time

import pytest

from rig import Redis, wait_for
from rig.tokens import ask, secret, tcp_daemon, token

ALICE, BOB = "user:alice@acme.test", "user:bob@other.test"
QUOTA = [{"name": "mailbox", "per": "user", "limits": ["3 messages / 1h"]}]
ACCOUNTS = "@acme.test acme gold\nuid:mx1/1000 acme\n@other.test other\n"


@pytest.fixture
def daemon(running):
    one = tcp_daemon({"quota": QUOTA}, hosts=["quota.example.com"])
    return running(one)


@pytest.fixture
def of_acme(running):
    """A daemon with accounts, mail of two of them, and tokens bound to one."""
    one = tcp_daemon({"quota": QUOTA, "identity": {"accounts": "accounts"}},
                     token=[token("admin", "admin"), token("acme", "support", "acme"), token("chief", "admin", "acme")])
    (one.path / "accounts").write_text(ACCOUNTS)
    daemon = running(one)
    daemon.play(4, user="alice@acme.test")
    daemon.play(2, user="bob@other.test")
    return daemon


def order(daemon, who, what, token, **body):
    return ask(daemon, f"/v1/identities/{who}/{what}", "POST", token=token, body=body)


# Who is let in

@pytest.mark.parametrize("path", ["/v1/status", "/v1/nothing", "/metrics", "/v1/identities/user:a/release"])
def test_without_a_token_nothing_of_the_api_is_told_not_even_what_there_is(daemon, path):
    answer = ask(daemon, path)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="sendquota"')
    assert "Authorization: Bearer" in answer.body["hint"]


def test_the_page_and_the_health_are_for_everybody(daemon):
    assert [ask(daemon, path).status for path in ("/", "/page.css", "/parts.js", "/mail.js", "/page.js", "/icon.svg", "/healthz", "/readyz")] == [200] * 8


def test_the_store_itself_is_asked_where_nobody_else_has_lately(running):
    redis = running(Redis())
    daemon = running(tcp_daemon({"quota": QUOTA}, store=redis.url))
    assert ask(daemon, "/v1/store", token="read").body == {"status": "ok"}
    redis.process.send_signal(signal.SIGSTOP)
    try:
        answer = ask(daemon, "/v1/store", token="read")
        assert (answer.status, "the store has no answer" in answer.body["error"]) == (503, True)
        assert ask(daemon, "/v1/store").status == 401
    finally:
        redis.process.send_signal(signal.SIGCONT)
    wait_for(lambda: ask(daemon, "/v1/store", token="read").status == 200, "it answers again")


def test_readiness_says_no_more_than_no_to_strangers(running):
    redis = running(Redis())
    daemon = running(tcp_daemon({"quota": QUOTA}, store=redis.url))
    redis.kill()
    daemon.play(1, user="alice@acme.test")
    wait_for(lambda: ask(daemon, "/readyz").status == 503, "it is not ready")
    assert ask(daemon, "/readyz").body == {"error": "the store has no answer"}
    assert "redis" in ask(daemon, "/readyz", token="read").body["error"] + ask(daemon, "/v1/status", token="read").body["store"]["url"]


@pytest.mark.parametrize("header", ["Bearer " + secret("nobody"), "Bearer", "Bearer ", "Basic cmVhZDpyZWFk", "Bearer " + secret("read")[:-1],
                                    "Bearer " + secret("read") + "x", "Bearer " + secret("read").upper()])
def test_a_wrong_token_is_refused(daemon, header):
    assert ask(daemon, "/v1/status", headers={"Authorization": header}).status == 401


def test_a_token_that_a_person_could_guess_is_never_taken(running):
    import hashlib
    daemon = running(tcp_daemon({"quota": QUOTA}, token=[{"name": "weak", "role": "admin", "sha256": hashlib.sha256(b"swordfish").hexdigest()}]))
    assert ask(daemon, "/v1/status", headers={"Authorization": "Bearer swordfish"}).status == 401


ORDERS = [("PUT", "/v1/mode", {"mode": "observe"}, "admin"), ("DELETE", "/v1/mode", None, "admin"), ("POST", "/v1/reload", None, "admin"),
          ("POST", f"/v1/identities/{ALICE}/release", {}, "support"), ("POST", f"/v1/identities/{ALICE}/block", {"for": "1h"}, "support"),
          ("PUT", f"/v1/identities/{ALICE}/limits/mailbox", {"limit": "9 messages / 1h", "for": "1h"}, "support"),
          ("DELETE", f"/v1/identities/{ALICE}/limits/mailbox", None, "support"),
          ("PUT", "/v1/identities/*/limits/mailbox", {"limit": "9 messages / 1h", "for": "1h"}, "admin"),
          ("POST", "/v1/identities/everyone/block", {}, "admin"), ("DELETE", "/v1/identities/*/limits/*", None, "admin"),
          ("PUT", f"/v1/identities/{ALICE}/limits/mailbox", {"limit": "9 messages / 1h"}, "admin"),
          ("PUT", f"/v1/identities/{ALICE}/limits/mailbox", {"limit": "9 messages / 1h", "for": "32d"}, "admin"),
          ("GET", "/v1/status", None, "read"), ("GET", "/metrics", None, "read"), ("GET", "/v1/senders", None, "read"), ("GET", "/v1/totals", None, "read"),
          ("GET", "/v1/nodes", None, "read"), ("GET", f"/v1/identities/{ALICE}/history", None, "read")]
ROLES = ["read", "support", "admin"]


@pytest.mark.parametrize("method, path, body, least", ORDERS, ids=lambda value: str(value))
def test_a_role_may_do_what_is_its_own_and_below(daemon, method, path, body, least):
    statuses = {role: ask(daemon, path, method, token=role, body=body).status for role in ROLES}
    assert statuses == {role: 200 if ROLES.index(role) >= ROLES.index(least) else 403 for role in ROLES}


def test_support_does_not_touch_what_an_administrator_set_without_end(daemon):
    limits = f"/v1/identities/{ALICE}/limits/mailbox"
    assert ask(daemon, limits, "PUT", token="admin", body={"limit": "none"}).status == 200
    refused = [ask(daemon, limits, "PUT", token="support", body={"limit": "unlimited", "for": "1h"}), ask(daemon, limits, "DELETE", token="support")]
    assert [(one.status, one.body["error"]) for one in refused] == [(403, "a limit without an end stands there")] * 2
    assert ask(daemon, limits, "DELETE", token="admin").body["removed"] is True


def test_events_name_the_token(daemon):
    order(daemon, ALICE, "block", "support", reason="ticket 4711")
    blocked = ask(daemon, "/v1/blocked", token="read").body
    assert [(row["identity"], row["by"], row["reason"]) for row in blocked["blocked"]] == [(ALICE, "support", "ticket 4711")] and blocked["total"] == 1
    assert ask(daemon, "/v1/events", token="read").body["events"][0]["by"] == "support"


def test_a_reload_takes_tokens_over_and_away_and_the_port_only_with_a_restart(daemon):
    daemon.configure({"quota": QUOTA, "admin": {"tcp": f"127.0.0.1:{daemon.port}", "token": [token("new", "read")]}})
    daemon.reload()
    assert (ask(daemon, "/v1/status", token="admin").status, ask(daemon, "/v1/status", token="new").status) == (401, 200)
    daemon.configure({"quota": QUOTA})
    done = daemon.command("reload")
    assert done.returncode != 0 and "admin.tcp changed; this takes effect with a restart only" in done.stdout + done.stderr


# One account's token

def test_a_token_of_an_account_sees_its_own_senders_only(of_acme):
    def seen(path, key):
        return {row["identity"] for row in ask(of_acme, path, token="acme").body[key]}
    for who in (ALICE, BOB):
        order(of_acme, who, "block", "admin")
        ask(of_acme, f"/v1/identities/{who}/limits/mailbox", "PUT", token="admin", body={"limit": "9 messages / 1h"})
    assert seen("/v1/senders", "senders") == seen("/v1/top", "top") == seen("/v1/blocked", "blocked") == seen("/v1/limits", "limits") == {ALICE}
    assert seen("/v1/senders?by=identity", "senders") == {ALICE} and seen("/v1/events?count=100", "events") == {ALICE}
    assert seen("/v1/senders?per=account", "senders") == {"account:acme"}
    assert ask(of_acme, "/v1/totals", token="acme").body["identity"] == "account:acme"
    assert sum(one["sent"] for one in ask(of_acme, "/v1/totals", token="acme").body["tallies"]) == 3
    assert sum(one["sent"] for one in ask(of_acme, "/v1/totals", token="admin").body["tallies"]) == 5
    status = ask(of_acme, "/v1/status", token="acme").body
    assert set(status) == {"version", "store", "caller"} and status["caller"] == {"name": "acme", "role": "support", "account": "acme", "token": True}


@pytest.mark.parametrize("who, method, rest, want", [
    ("user:alice@acme.test", "GET", "", 200), ("ALICE@ACME.TEST", "GET", "", 200), ("user_domain:acme.test", "GET", "/history", 200), ("account:acme", "GET", "", 200),
    ("script:mx1%2F1000%3Aa.php", "GET", "", 200), ("uid:mx1%2F1000", "GET", "", 200), ("user:bob@other.test", "GET", "", 403),
    ("user:bob@other.test", "GET", "/history", 403), ("everyone:all", "GET", "", 403), ("client:192.0.2.1", "GET", "", 403), ("account:other", "GET", "", 403),
    ("user:bob@other.test", "POST", "/release", 403), ("user:bob@other.test", "POST", "/block", 403), ("*", "DELETE", "/limits/mailbox", 403),
    ("user:bob@other.test", "DELETE", "/limits/mailbox", 403), ("user:alice@acme.test", "POST", "/release", 200), ("nonsense:x", "GET", "", 403)])
@pytest.mark.parametrize("who_asks", ["acme", "chief"])
def test_a_token_of_an_account_acts_on_its_own_senders_only(of_acme, who, method, rest, want, who_asks):
    assert ask(of_acme, f"/v1/identities/{who}{rest}", method, token=who_asks).status == want


@pytest.mark.parametrize("method, path", [("GET", "/v1/nodes"), ("GET", "/v1/mode"), ("DELETE", "/v1/mode"), ("POST", "/v1/reload"), ("GET", "/metrics")])
def test_what_is_of_the_whole_cluster_is_not_for_a_token_of_an_account(of_acme, method, path):
    assert ask(of_acme, path, method, token="chief").status == 403


# Browsers

@pytest.mark.parametrize("headers, want", [
    ({}, 200), ({"Host": "localhost:8025"}, 200), ({"Host": "127.0.0.1"}, 200), ({"Host": "[::1]:8025"}, 200), ({"Host": "Quota.Example.com"}, 200),
    ({"Host": "evil.example"}, 403), ({"Host": "quota.example.com.evil.example"}, 403), ({"Host": "127.0.0.1.evil.example"}, 403), ({"Host": "localhost.evil.example"}, 403),
    ({"Host": "localhost:8025", "Origin": "http://localhost:8025"}, 200), ({"Host": "localhost:8025", "Origin": "http://localhost:9999"}, 403),
    ({"Host": "localhost", "Origin": "https://evil.example"}, 403), ({"Host": "localhost", "Origin": "null"}, 403),
    ({"Host": "127.0.0.1:8025", "Origin": "https://quota.example.com"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "none"}, 200)])
@pytest.mark.parametrize("over", ["tcp", "socket"])
def test_another_page_is_refused_whatever_it_says_over_tcp_and_over_the_socket(daemon, headers, want, over):
    if over == "tcp":
        assert ask(daemon, "/v1/status", token="admin", headers=headers).status == want
        return
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(daemon.admin))
        connection.request("GET", "/v1/status", headers=headers)
        assert connection.getresponse().status == want


def test_a_form_cannot_give_orders(daemon):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = ask(daemon, f"/v1/identities/{ALICE}/block", "POST", token="admin", body={"reason": "x"}, headers={"Content-Type": kind})
        assert answer.status == 415 and "application/json" in answer.body["hint"]
    assert ask(daemon, "/v1/blocked", token="read").body["total"] == 0
    answer = ask(daemon, f"/v1/identities/{ALICE}/block", "POST", token="admin", body={"reason": "x"}, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status == 200


def test_every_answer_forbids_browsers_what_it_need_not_do(daemon):
    for path, who in [("/", None), ("/page.js", None), ("/v1/status", "read"), ("/v1/status", None), ("/nothing", "read")]:
        headers = ask(daemon, path, token=who).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] and "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"], headers["Cache-Control"]) == ("nosniff", "no-referrer", "no-store")
        assert "Access-Control-Allow-Origin" not in headers and "Set-Cookie" not in headers


# How often

def test_wrong_tokens_are_bounded_and_logged_and_the_right_one_is_let_in_all_the_same(daemon):
    wrong = {"Authorization": "Bearer " + secret("nobody")}
    statuses = [ask(daemon, "/v1/status", headers=wrong).status for _ in range(14)]
    assert statuses[:10] == [401] * 10 and statuses[-1] == 429
    answer = ask(daemon, "/v1/status", headers=wrong)
    assert 1 <= int(answer.headers["Retry-After"]) <= 6
    assert ask(daemon, "/v1/status", token="read").status == 200
    assert 10 <= len(daemon.log("a wrong token from 127.0.0.1")) <= 12
    assert daemon.log(secret("nobody")) == []


@pytest.mark.parametrize("who, burst", [("read", 500), (None, 100)])
def test_a_token_and_an_address_without_one_may_ask_only_so_often(daemon, who, burst):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
    headers = {"Authorization": f"Bearer {secret(who)}"} if who else {}
    with contextlib.closing(connection):
        for asked in range(1, 5000):
            connection.request("GET", "/healthz", headers=headers)
            response = connection.getresponse()
            response.read()
            if response.status == 429:
                break
    assert asked > burst and int(response.headers["Retry-After"]) == 1
    assert daemon.cli("status")["version"], "the socket has no such bound"
    assert ask(daemon, "/healthz", token="support").status == 200, "nor has another token"


def test_slow_and_many_callers_over_tcp_hold_up_neither_the_socket_nor_each_other_for_long(daemon):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        begin = time.monotonic()
        assert daemon.cli("status")["version"]
        assert time.monotonic() - begin < 2
    wait_for(lambda: ask(daemon, "/healthz").status == 200, "others are served again")


def test_a_port_that_is_taken_keeps_the_daemon_from_starting(daemon):
    other = tcp_daemon({"quota": QUOTA})
    other.configure({"quota": QUOTA, "admin": {"tcp": f"127.0.0.1:{daemon.port}", "token": [token("a", "read")]}})
    with pytest.raises(RuntimeError, match=f"admin.tcp: cannot listen on 127.0.0.1 port {daemon.port}: Address already in use"):
        running_other = other.start()
        running_other.close()
    other.close()


def test_check_config_warns_of_a_port_beyond_loopback(daemon):
    file = daemon.path / "open.toml"
    file.write_text(daemon.config_file.read_text().replace("127.0.0.1", "0.0.0.0"))
    warnings = daemon.cli("check-config", file)["warnings"]
    assert any(warning.startswith("admin.tcp: whoever can listen on the way to 0.0.0.0:") and "TLS" in warning for warning in warnings)
    assert not any("admin.tcp" in warning for warning in daemon.cli("check-config", daemon.config_file)["warnings"])


# The lists

def test_senders_are_listed_by_any_column_page_by_page(daemon):
    for number in range(1, 26):
        daemon.play(1 + number % 5, user=f"u{number:02}@acme.test")
    def rows(**query):
        text = "&".join(f"{key}={value}" for key, value in query.items())
        return ask(daemon, f"/v1/senders?{text}", token="read").body
    first, second = rows(by="messages", count=20), rows(by="messages", count=20, offset=20)
    assert first["total"] == second["total"] == 25 and (len(first["senders"]), len(second["senders"])) == (20, 5)
    sent = [row["sent"] for row in first["senders"] + second["senders"]]
    assert sent == sorted(sent, reverse=True) and sum(sent) == 5 + 10 + 3 * 15
    refused = rows(by="refused")
    assert refused["total"] == 10 and [row["refused"] for row in refused["senders"]] == [2] * 5 + [1] * 5
    assert [row["identity"] for row in rows(by="identity", search="U0")["senders"]] == [f"user:u{number:02}@acme.test" for number in range(1, 10)]
    assert rows(by="held")["total"] == 0 and rows(per="script")["total"] == 0
    for bad, words in [("by=size", "nothing to rank by"), ("count=101", "1 to 100"), ("offset=x", "rows to leave out"), ("what=x", "unknown parameter")]:
        answer = ask(daemon, f"/v1/senders?{bad}", token="read")
        assert answer.status == 400 and words in answer.body["error"]


def test_the_blocked_are_listed_page_by_page_the_newest_first(daemon):
    for number in range(5):
        order(daemon, f"user:u{number}@acme.test", "block", "admin")
    def names(query):
        return [row["identity"][6] for row in ask(daemon, f"/v1/blocked?{query}", token="read").body["blocked"]]
    assert names("count=2") == ["4", "3"] and names("count=2&offset=4") == ["0"] and names("search=U3@") == ["3"]
    assert len(ask(daemon, "/v1/blocked", token="read").body["blocked"]) == 5
