"""The log on standard error: one line for each judged message, whatever its sender types."""

import re
import socket
import struct
from urllib.parse import unquote_to_bytes

import pytest

from rig import Daemon
from rig.daemon import parse_line
from rig.tap import packet, read_packet

QUOTAS = [{"name": "mailbox", "per": "user", "limits": ["1 messages / 30d"]},
          {"name": "php", "per": ["script", "sender"], "when": "local", "limits": ["1 messages / 30d"], "action": "quarantine"}]
FIELDS = ["client", "sasl_username", "from", "nrcpt", "size", "script", "verdict"]
REFUSED = [*FIELDS, "quota", "identity", "limit", "used", "retry"]

TYPED = {
    "line ends": b"a\r\nJan  1 00:00:00 mx1 sendquotad[1]: info: FORGED: client=x[y], verdict=accept",
    "a line feed alone": b"a\nb",
    "escape sequences": b"\x1b[2J\x1b]0;title\x07\x9b31m",
    "formats": b"%s%n%d {} {0} ${jndi:x} %25",
    "fields": b"x>, nrcpt=0, verdict=accept, quota=none, identity=user:innocent@example.test",
    "quotes": b"\"quoted\", limit=\"9\", 'x' `y` \\\"",
    "commas and spaces": b"a, b,c ,=,",
    "brackets": b"<<>>[]{}()",
    "control characters": bytes(range(1, 32)) + b"\x7f",
    "high bytes": bytes(range(128, 256)),
    "UTF-8": "für ñ 日本 \u2028 \u202e".encode(),
    "very long": b"x" * 3000,
    "nothing": b"",
}


def converse(daemon, *packets):
    """One connection on which the packets are sent, until the daemon has answered all of them."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(daemon.socket))
        client.sendall(packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF)) + b"".join(packets))
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            while read_packet(stream) is not None:
                pass


def session(name=b"client.test", helo=b"client.test", port=40000, address=b"192.0.2.1"):
    return [packet(b"D", b"Cj\0mx1.example.test\0"), packet(b"C", name + b"\x004" + struct.pack("!H", port) + address + b"\0"),
            packet(b"H", helo + b"\0")]


def message(login=b"alice", sender=b"<a@b.test>", recipient=b"<dest@remote.test>", script=None, queue_id=b"4XyZ01"):
    macros = [packet(b"D", b"M{auth_type}\0PLAIN\0{auth_authen}\0" + login + b"\0")] if login else []
    header = [packet(b"L", b"X-PHP-Originating-Script\0" + script + b"\0")] if script is not None else []
    return [*macros, packet(b"M", sender + b"\0"), packet(b"R", recipient + b"\0"), packet(b"T"), *header, packet(b"N"),
            packet(b"D", b"Ei\0" + queue_id + b"\0"), packet(b"E")]


def judged_lines(daemon):
    return daemon.log(r"^[^ ]+ [^ ]+ info: [^ ]+: client=")


def check_lines(daemon, *fields):
    """There is one line for each message, with exactly these fields, in this order, and nothing unprintable."""
    lines = judged_lines(daemon)
    assert len(lines) == len(fields), lines
    for line, names in zip(lines, fields):
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d sendquotad\[\d+\]: info: [^ ]+: client=[ -~]*", line), line
        assert list(parse_line(line)) == ["id", *names], line
        assert re.findall(r"(?:^|, )(\w+)=", line.split(": ", 2)[2].split(": ", 1)[1]) == names, line
    for line in daemon.log():
        assert re.match(r"20\d\d-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d sendquotad\[\d+\]: \w+: ", line) and line.isprintable() and line.isascii(), line
    return [parse_line(line) for line in lines]


def is_written(field, typed):
    """The field is what was typed, as far as it is shown, with nothing lost but what makes it unsafe."""
    assert re.fullmatch(r"([A-Za-z0-9@._+=:/-]|%[0-9A-F]{2})*", field), field
    assert unquote_to_bytes(field) == typed[:256]


@pytest.fixture
def daemon(running):
    return running(Daemon({"quota": QUOTAS}))


@pytest.mark.parametrize("name", TYPED)
def test_a_sender_forges_nothing(daemon, name):
    typed = TYPED[name]
    converse(daemon, *session(), *message(sender=b"<" + typed + b">"))
    (line,) = check_lines(daemon, FIELDS)
    is_written(line["from"].removeprefix("<").removesuffix(">"), typed)


@pytest.mark.parametrize("name", [name for name in TYPED if TYPED[name].strip()])
def test_a_login_forges_nothing(daemon, name):
    """Refused, so that its identity is named as well."""
    converse(daemon, *session(), *message(login=TYPED[name]), *message(login=TYPED[name]))
    _, line = check_lines(daemon, FIELDS, REFUSED)
    is_written(line["sasl_username"], TYPED[name])
    assert re.fullmatch(r"user:([A-Za-z0-9@._+=:/-]|%[0-9A-F]{2})+", line["identity"])
    assert (line["verdict"], line["quota"], line["limit"], line["used"]) == ("tempfail", "mailbox", "1 messages / 30d", "1")


@pytest.mark.parametrize("name", TYPED)
def test_a_php_header_forges_nothing(daemon, name):
    script = b"33:" + TYPED[name]
    converse(daemon, *session(port=0, address=b"127.0.0.1"), *message(login=b"", script=script), *message(login=b"", script=script))
    _, line = check_lines(daemon, FIELDS, REFUSED)
    is_written(line["script"], script)
    assert line["verdict"] == "quarantine" and re.match(r"(script|sender):", line["identity"])


@pytest.mark.parametrize("name", TYPED)
def test_names_of_a_client_forge_nothing(daemon, name):
    typed = TYPED[name]
    converse(daemon, *session(name=typed, helo=typed), *message(recipient=b"<" + typed + b">"))
    (line,) = check_lines(daemon, FIELDS)
    assert line["client"].endswith("[192.0.2.1]")
    if typed and not typed.startswith(b"["):
        is_written(line["client"].removesuffix("[192.0.2.1]"), typed)


def test_discarded_mail_is_named_without_forgery(running):
    daemon = running(Daemon({"quota": QUOTAS, "hold": {"max": 1}}))
    for _ in range(3):
        converse(daemon, *session(port=0, address=b"127.0.0.1"), *message(login=b"", script=b"33:x.php", recipient=b"<a>\r\nb, identity=x \"@c>"))
    (line,) = daemon.log("discarded:")
    assert "identity=script:mx1.example.test/33:x.php" in line and line.count(", identity=") == 1 and line.isprintable()


def test_the_level_is_obeyed(running):
    daemon = running(Daemon({"quota": QUOTAS, "log": {"level": "warning"}}))
    converse(daemon, *session(), *message(), *message())
    assert judged_lines(daemon) == [] and daemon.cli("status")["mail"]["tempfailed"] == 1
