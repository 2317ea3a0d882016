"""Redis over TLS: who is trusted, who we are, and what an administrator reads when it is not so."""

import shutil
import subprocess

import pytest

from rig import Certificates, Daemon, Redis, wait_for
from rig.room import BUILD

NAMES = "DNS:localhost,IP:127.0.0.1"
QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["3 messages / 30d"]}]


@pytest.fixture
def authority(running):
    return running(Certificates())


def daemon_of(redis, files, host="localhost"):
    return Daemon({"quota": QUOTAS, "store": {"url": f"rediss://{host}:{redis.tls_port}/0", **files}})


def ours(pair):
    return {"tls_ca": pair.ca, "tls_cert": pair.cert, "tls_key": pair.key}


def state(daemon):
    return daemon.cli("status")["store"]["state"]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_messages_are_judged_and_tables_obeyed_over_tls(running, authority, version):
    redis = running(Redis({"tls-auth-clients": "yes", "tls-protocols": version}, tls=authority.issue(NAMES)))
    daemon = running(daemon_of(redis, ours(authority.issue("DNS:mail.example.test"))))
    assert [tried.verdict for tried in daemon.play(4, user="alice@example.test")] == ["accept"] * 3 + ["tempfail"]
    redis.cli("HSET", "sendquota:blocked", "user:bob@example.test", "password stolen")
    wait_for(lambda: not daemon.play(1, user="bob@example.test")[0].accepted, "the block is obeyed")
    assert state(daemon) == "ok"
    clients = [line for line in redis.cli("CLIENT", "LIST").splitlines() if "name=sendquota" in line]
    assert clients and all(f"laddr=127.0.0.1:{redis.tls_port}" in client for client in clients)


@pytest.mark.parametrize("what, told", [
    ("name", "the server's certificate is for redis.example.test, not for localhost"),
    ("expired", "the server's certificate expired at 20"),
    ("authority", "issued by /CN=Somebody else, whom store.tls_ca does not trust"),
    ("ours", "the server wants a certificate of ours; set store.tls_cert and store.tls_key"),
    ("plain", "did not answer the TLS hello until the deadline"),
])
def test_what_is_wrong_is_in_the_log_and_on_failure_decides(running, authority, what, told):
    stranger = running(Certificates("Somebody else"))
    pair = {"name": authority.issue("DNS:redis.example.test"), "expired": authority.issue(NAMES, -1),
            "authority": stranger.issue(NAMES)}.get(what) or authority.issue(NAMES)
    redis = running(Redis({"tls-auth-clients": "yes" if what == "ours" else "no"}, tls=pair))
    if what == "plain":
        redis.tls_port = redis.port
    daemon = running(daemon_of(redis, {"tls_ca": authority.ca}))
    assert daemon.play(1, user="alice@example.test")[0].accepted
    daemon.wait_for_log(told)


def test_a_reload_takes_renewed_files(running, authority, tmp_path):
    """The server's authority of clients changes; the daemon's certificate is renewed in its place."""
    successor = running(Certificates("Its successor"))
    old, new = authority.issue("DNS:mail.example.test"), successor.issue("DNS:mail.example.test")
    for name, path in (("cert", old.cert), ("key", old.key)):
        shutil.copy(path, tmp_path / name)
    redis = running(Redis({"tls-auth-clients": "yes"}, tls=authority.issue(NAMES)))
    daemon = running(daemon_of(redis, {"tls_ca": authority.ca, "tls_cert": str(tmp_path / "cert"), "tls_key": str(tmp_path / "key")}))
    assert state(daemon) == "ok"
    redis.cli("CONFIG", "SET", "tls-ca-cert-file", successor.ca)
    redis.cli("CLIENT", "KILL", "TYPE", "normal")
    daemon.play(1, user="alice@example.test")
    daemon.wait_for_log("the server does not accept the certificate of store.tls_cert")
    shutil.copy(new.cert, tmp_path / "cert")
    done = daemon.command("reload")
    assert done.returncode != 0 and "store.tls_key" in done.stdout + done.stderr  # half of the pair is no pair
    shutil.copy(new.key, tmp_path / "key")
    daemon.reload()
    wait_for(lambda: state(daemon) == "ok", "the store is used again")


def test_a_record_elsewhere_is_written_over_tls_too_and_takes_renewed_files(running, authority, tmp_path):
    """The quotas are in memory, so these files are the record's alone."""
    successor = running(Certificates("Its successor"))
    shutil.copy(authority.ca, tmp_path / "ca")
    redis = running(Redis({"tls-auth-clients": "no"}, tls=successor.issue(NAMES)))
    daemon = running(Daemon({"quota": QUOTAS, "store": {"url": "memory:", "tls_ca": str(tmp_path / "ca")},
                             "record": {"url": f"rediss://localhost:{redis.tls_port}/0", "write_every": "100ms"}}))
    daemon.play(1, user="alice@example.test")
    daemon.wait_for_log("the record of who sent what cannot be written.*whom store.tls_ca does not trust")
    shutil.copy(successor.ca, tmp_path / "ca")
    daemon.reload()

    def is_written():
        daemon.play(1, user="alice@example.test")
        return "sendquota:history" in redis.cli("KEYS", "*")
    wait_for(is_written, "the record is written", pause=0.2)


@pytest.mark.parametrize("change, told", [
    ({"tls_ca": "none.crt"}, "store.tls_ca: DIR/none.crt cannot be read: No such file or directory"),
    ({"tls_cert": "mail.key"}, "store.tls_cert: DIR/mail.key holds no certificate in PEM format"),
    ({"tls_key": "other.key"}, "store.tls_key: DIR/other.key is not the key of the certificate in DIR/mail.crt"),
    ({"tls_key": "open.key"}, "store.tls_key: everybody on this host may use DIR/open.key; run chmod o= on it"),
])
def test_files_that_cannot_serve_are_problems_of_the_configuration(authority, tmp_path, change, told):
    mail, other = authority.issue("DNS:mail.example.test"), authority.issue("DNS:mail.example.test")
    for name, path in (("ca.crt", mail.ca), ("mail.crt", mail.cert), ("mail.key", mail.key), ("other.key", other.key), ("open.key", mail.key)):
        shutil.copy(path, tmp_path / name)
    (tmp_path / "open.key").chmod(0o604)
    files = {"tls_ca": "ca.crt", "tls_cert": "mail.crt", "tls_key": "mail.key", **change}
    config = tmp_path / "sendquota.toml"
    config.write_text('[store]\nurl = "rediss://redis.example.test"\n' + "".join(f'{key} = "{name}"\n' for key, name in files.items()))
    line = 3 + list(files).index(next(iter(change)))
    for words in (["--check-config", config], ["--config", config]):
        done = subprocess.run([BUILD / "bin/sendquotad", *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 78
        assert done.stderr.startswith(f"{config}:{line}: " + told.replace("DIR", str(tmp_path)))
