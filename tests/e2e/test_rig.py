"""The rig itself: what the other tests take for granted about the servers they start."""

import subprocess
from pathlib import Path

import pytest

from rig import Client, Php, Postfix, Redis, Sendmail, send_many
from rig.daemon import parse_line, to_toml
from rig.miltertest import miltertest
from rig.stub_milter import ACCEPT, StubMilter, quarantine, reply


def test_postfix_takes_authenticated_mail_and_delivers_it(running):
    mx = running(Postfix(destination="sink"))
    mx.add_user("alice")
    for login, mechanism in (("alice", "PLAIN"), ("alice@example.test", "LOGIN")):
        with Client(mx.ports["submission"], login=login, mechanism=mechanism) as client:
            assert client.send(recipients=["a@remote.test", "b@remote.test"]).accepted
    assert len(mx.wait_for_log("sasl_username=alice@example.test", 2)) == 2
    arrived = mx.wait_for_messages(2)[0]
    assert arrived["X-Mail-Args"].startswith("<alice@example.test>")
    assert len(arrived.get_all("X-Rcpt-Args")) == 2


def test_postfix_relays_for_nobody_else(running):
    mx = running(Postfix())
    for door in ("submission", "outside"):
        with Client(mx.ports[door]) as client:
            assert client.send().stage == "rcpt"
    with Client(mx.ports["outside"]) as outside:
        assert outside.send(sender="someone@else.test", recipients="bob@example.test").accepted
    with Client(mx.ports["outside"], source="127.0.0.9") as trusted:
        assert trusted.send().accepted


def test_postfix_shows_a_milter_who_sends(running):
    stub = running(StubMilter())
    mx = running(Postfix(milters=[stub.milter]))
    mx.add_user("alice")
    with Client(mx.ports["submission"], login="alice") as client:
        assert client.send().accepted
    with Client(mx.ports["xclient"], xclient="load7@example.test") as client:
        assert client.send().accepted
        client.xclient("load8@example.test")
        assert client.send().accepted
    with Client(mx.ports["outside"]) as outside:
        assert outside.send(recipients="bob@example.test").accepted
    assert [message.get("auth_authen") for message in stub.messages] == [
        "alice@example.test", "load7@example.test", "load8@example.test", None]


def test_php_mail_arrives_with_the_header_that_names_its_script(running):
    mx = running(Postfix(destination="sink"))
    php = Php(mx)
    assert php.mail(php.mailer("contact.php", owner=1234), count=2) == [True, True]
    arrived = mx.wait_for_messages(2)
    assert [message["X-PHP-Originating-Script"] for message in arrived] == ["1234:contact.php"] * 2
    assert mx.maillog("pickup.* uid=33 ")


def test_php_parameters_name_the_envelope_sender(running):
    mx = running(Postfix(destination="sink"))
    php = Php(mx)
    script = php.mailer("form.php")
    php.mail(script, parameters="-fforged@victim.test", headers="X-Mine: 1")
    php.mail(script, parameters="-fforged@victim.test", extra_parameters="-fpool33@example.test")
    arrived = sorted(message["X-Mail-Args"].split()[0] for message in mx.wait_for_messages(2))
    assert arrived == ["<forged@victim.test>", "<pool33@example.test>"]


def test_postfix_holds_what_a_milter_quarantines(running):
    stub = running(StubMilter(quarantine("over quota")))
    mx = running(Postfix(milters=[stub.milter]))
    php = Php(mx)
    assert php.mail(php.mailer("form.php")) == [True]
    mx.wait_for_log("milter-hold")
    (held,) = mx.queue("hold")
    assert held["queue_id"] == stub.messages[0]["i"]
    assert ("X-PHP-Originating-Script", "0:form.php") in stub.messages[0]["headers"]


def test_postfix_reloads_its_milters_and_starts_again_after_a_stop(running):
    stub = running(StubMilter(reply("451 4.7.1 later")))
    mx = running(Postfix())
    assert send_many(mx.ports["xclient"], 20, connections=4, xclient="u@example.test")[-1].accepted
    mx.reload(milters=[stub.milter])
    with Client(mx.ports["xclient"], xclient="u@example.test") as client:
        outcome = client.send()
    assert (outcome.stage, outcome.code, outcome.text) == ("eom", 451, "4.7.1 later")
    mx.stop()
    mx.milters = []
    mx.start()
    with Client(mx.ports["xclient"], xclient="u@example.test") as client:
        assert client.send().accepted


def test_sendmail_takes_authenticated_and_local_mail(running):
    stub = running(StubMilter())
    mta = running(Sendmail(milter=stub.sendmail_milter))
    mta.add_user("alice")
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send().accepted
    with Client(mta.ports["submission"]) as client:
        assert client.send().code == 530
    php = Php(mta)
    assert php.mail(php.mailer("contact.php", owner=1234)) == [True]
    arrived = mta.wait_for_messages(2)
    assert "1234:contact.php" in [message["X-PHP-Originating-Script"] for message in arrived]
    submitted, local = stub.messages
    assert (submitted["daemon_name"], submitted["auth_authen"]) == ("MSA", "alice")
    assert (local["daemon_name"], local.get("auth_authen")) == ("LOCAL", None)
    assert local["j"] == "sm1.example.test"


def test_sendmail_shows_and_releases_what_a_milter_quarantines(running):
    stub = running(StubMilter(quarantine("user:alice 250/250")))
    mta = running(Sendmail(milter=stub.sendmail_milter))
    mta.add_user("alice")
    with Client(mta.ports["submission"], login="alice") as client:
        assert client.send().accepted
        assert client.send().accepted
    held = mta.quarantined()
    assert list(held.values()) == ["user:alice 250/250"] * 2
    mta.release(next(iter(held)))
    mta.wait_for_messages(1)
    assert len(mta.quarantined()) == 1


def test_sendmail_keeps_local_mail_that_a_milter_defers(running):
    stub = running(StubMilter(reply("451 4.7.1 later")))
    mta = running(Sendmail(milter=stub.sendmail_milter))
    php = Php(mta)
    assert php.mail(php.mailer("form.php")) == [True]
    assert len(mta.client_queue()) == 1
    stub.at_end = ACCEPT
    mta.run_client_queue()
    mta.wait_for_messages(1)
    assert mta.client_queue() == []


def test_two_postfix_and_a_sendmail_run_side_by_side(running):
    servers = [running(Postfix("mx1")), running(Postfix("mx2")), running(Sendmail("sm1"))]
    for server in servers:
        server.add_user("alice")
        with Client(server.ports["submission"], login="alice") as client:
            assert client.greeting[1].decode().startswith(server.hostname)
            assert client.send().accepted
    assert len({port for server in servers for port in server.ports.values()}) == 10


def test_a_redis_is_private(running):
    one, two = running(Redis()), running(Redis())
    one.cli("HSET", "sendquota:blocked", "user:alice@example.com", "password stolen")
    assert one.hash("sendquota:blocked") == {"user:alice@example.com": "password stolen"}
    assert two.hash("sendquota:blocked") == {}


def test_nothing_is_left_of_a_closed_server():
    mail_files = [Path(name) for name in ("/etc/postfix", "/etc/mail", "/var/spool/postfix", "/usr/sbin/sendmail")]
    before = [(file.exists(), file.stat().st_mtime_ns if file.exists() else 0) for file in mail_files]
    servers = [Postfix("mx1", destination="sink").start(), Sendmail("sm1").start()]
    inside = [pid for server in servers for pid in server.room.processes()]
    assert len(inside) > 4
    for server in servers:
        server.close()
        assert server.room.processes() == []
        assert not server.path.exists()
    mounts = Path("/proc/self/mounts").read_text()
    assert not any(str(server.path) in mounts for server in servers)
    assert [(file.exists(), file.stat().st_mtime_ns if file.exists() else 0) for file in mail_files] == before


def test_a_killed_test_run_leaves_no_server_behind():
    child = subprocess.Popen(["/usr/bin/python3", "-c", "from rig import Postfix; mx = Postfix().start(); "
                              "print(mx.room._namespace, mx.path.parent, flush=True); input()"],
                             cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    from rig.room import pids_in_namespace
    from rig.wait import wait_for
    namespace, path = child.stdout.readline().split()
    assert pids_in_namespace(namespace)
    child.kill()
    child.communicate()
    wait_for(lambda: not pids_in_namespace(namespace), "the room's processes have ended")
    subprocess.run(["rm", "-rf", path], check=True)


def test_a_missing_tree_is_named():
    from rig.room import Room
    with pytest.raises(FileNotFoundError, match="tests/install --unpack"):
        Room("no-such-server", "x.example.test")


@pytest.mark.parametrize("wanted", ["continue", "accept"])
def test_miltertest_talks_to_a_milter(running, wanted):
    stub = running(StubMilter(ACCEPT if wanted == "accept" else [b"c"]))
    miltertest(Path(__file__).parent / "rig" / "probe.lua", stub.milter, wanted=wanted)
    assert stub.messages[0]["auth_authen"] == "alice@example.test"
    with pytest.raises(AssertionError, match="eom: not other|exit"):
        miltertest(Path(__file__).parent / "rig" / "probe.lua", stub.milter, wanted="accept" if wanted == "continue" else "continue")


def test_the_configuration_writer_writes_toml():
    import tomllib
    config = {"mode": "enforce", "exempt": {"users": []},
              "quota": [{"name": "a", "limits": ["1 messages / 1h"], "block": {"for": ["1h"]},
                         "override": [{"match": ["x@y"], "limits": ["unlimited"]}]}, {"name": "b"}]}
    assert tomllib.loads(to_toml(config)) == config


def test_a_log_line_is_read_into_fields():
    line = ('2026 info 4XyZ: client=host[192.0.2.1], from=<a@b>, nrcpt=3, script=, verdict=tempfail, '
            'limit="250 messages / 15m", used=250')
    assert parse_line(line) == {"id": "4XyZ", "client": "host[192.0.2.1]", "from": "<a@b>", "nrcpt": "3", "script": "",
                                "verdict": "tempfail", "limit": "250 messages / 15m", "used": "250"}
