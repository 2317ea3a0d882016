"""An MTA's events as a table, played through miltertest(1) to a daemon; what the daemon answered, event by event.

A play is a list of steps, each the name of a function of miltertest/play.lua and its arguments:

    [*session(), *message(login="alice"), ("quit",)]
"""

from pathlib import Path

from .miltertest import miltertest
from .tap import Tap
from .wait import Folder

PLAYER = Path(__file__).parent.parent / "miltertest" / "play.lua"

ALL_ACTIONS, ALL_STEPS = 0x1FF, 0x1FFFFF
QUARANTINE = 0x20
MODERN = (6, ALL_ACTIONS, ALL_STEPS)     # Postfix since 2.6, Sendmail since 8.14
OLD = (2, 0x3F, 0x1)                     # reports every event and wants an answer to each of them
WITHOUT_QUARANTINE = (6, ALL_ACTIONS & ~QUARANTINE, ALL_STEPS)

# What an MTA that has not been asked to be silent is told after events that decide nothing.
SILENT = ("connect", "helo", "rcpt", "data", "header", "eoh", "body")


def session(address="192.0.2.1", name="client.test", port="MSA", host="mx1.example.test"):
    """The begin of a connection from `address` ("unspec": none, as of `sendmail -bs`) to the MTA's port of that name."""
    return [("macro", "C", "j", host, "{daemon_name}", port), ("connect", name, address), ("helo", "client.test")]


def begin(login=None, sender="<alice@example.test>", parameters=(), macros=None):
    """MAIL FROM with its macros; `login` is an SMTP-AUTH one, `macros` replace those that belong to it."""
    if macros is None:
        macros = {"{auth_type}": "PLAIN", "{auth_authen}": login} if login else {}
    named = [word for pair in {"{mail_addr}": sender.strip("<>"), **macros}.items() for word in pair]
    return [("macro", "M", *named), ("mail", sender, *parameters)]


def rest(recipients=("<dest@remote.test>",), headers=(("Subject", "probe"),), body="hello\r\n", queue_id="4XyZ01"):
    """Everything after MAIL FROM."""
    return [*(("rcpt", recipient) for recipient in recipients), ("data",), *(("header", *pair) for pair in headers),
            ("eoh",), ("body", body), ("macro", "E", "i", queue_id), ("eom",)]


def message(login=None, sender="<alice@example.test>", parameters=(), macros=None, **further):
    return [*begin(login, sender, parameters, macros), *rest(**further)]


def play(daemon, steps, mta=MODERN):
    """Plays the steps; returns the Tap's talk: [event, [answers]] for each event that reached the daemon."""
    with Tap(daemon.socket) as tap:
        play_to(tap.milter, [("open", *mta), *steps, ("quit",)])
        return tap.talk


def play_each(daemon, conversations, mta=MODERN):
    """Plays one connection after the other."""
    play_to(daemon.milter, [step for steps in conversations for step in [("open", *mta), *steps, ("quit",)]])


def play_to(milter, steps):
    folder = Folder("play")
    case = folder.path / "case.lua"
    case.write_text("".join(f"{name}({', '.join(map(lua, words))})\n" for name, *words in steps))
    try:
        miltertest(PLAYER, milter, case=case)
    finally:
        folder.remove()


def told(talk):
    """The answers that decide something, as `mail: accept`: of silent events only those that are no plain `continue`."""
    return [f"{event}: {answer}" for event, answers in talk for answer in answers
            if event != "negotiate" and not (event in SILENT and answer == "continue")]


def lua(value):
    """A number or a text as Lua writes it, whatever its bytes."""
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(chr(byte) if byte < 128 and chr(byte).isalnum() else f"\\{byte:03}" for byte in value.encode(errors="surrogateescape")) + '"'
