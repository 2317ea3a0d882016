"""The admin endpoint over TCP: tokens, and requests as any HTTP client sends them."""

import hashlib
import http.client
import json
from typing import NamedTuple

from .daemon import Daemon
from .wait import free_port


class Answer(NamedTuple):
    status: int
    headers: dict
    body: object      # JSON as values, else text


def secret(name):
    """A token, the same one for each name."""
    return hashlib.sha256(f"a token of these tests: {name}".encode()).hexdigest()


def token(name, role, account=""):
    """What stands in the configuration of the token secret(name)."""
    return {"name": name, "role": role, "sha256": hashlib.sha256(secret(name).encode()).hexdigest(), "account": account}


def tcp_daemon(tables, store="memory:", **admin):
    """A Daemon with an admin port (`port`) beside its socket, for tokens of all roles; not running yet."""
    port = free_port()
    daemon = Daemon({**tables, "admin": {"tcp": f"127.0.0.1:{port}", "token": [token(role, role) for role in ("read", "support", "admin")], **admin}}, store=store)
    daemon.port = port
    return daemon


def ask(daemon, path, method="GET", token=None, body=None, headers=None):
    """One request over TCP; `token` is the name of one."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    sent = dict(headers or {})
    if token:
        sent["Authorization"] = f"Bearer {secret(token)}"
    if body is not None and "Content-Type" not in sent:
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=sent)
        response = connection.getresponse()
        text = response.read().decode()
        is_json = response.headers.get("Content-Type") == "application/json"
        return Answer(response.status, dict(response.headers), json.loads(text) if is_json else text)
    finally:
        connection.close()
