"""Real servers for the end-to-end tests, each private, each gone without a trace when it is closed.

    Room       an own view of this machine (files, processes, host name) in which one mail server is installed
    Postfix    a Postfix in a room of its own       Sendmail   a Sendmail in a room of its own
    Redis      a redis-server                       Sentinel   one that watches it
    Certificates  an authority and what it signs    Daemon     a sendquotad and the `sendquota` command for it
    Browser    a headless Chromium (rig.browser)   tokens   the admin port, asked over TCP (rig.tokens)
    Client     an SMTP client                       php        scripts that call mail() inside a room
    mail_queue.Probe  what milter/mail_queue does to a server's queue
    mail_host.Host    a Postfix on whose queue root acts       command    `sendquota` as a person or a program runs it

Ports are chosen by the kernel; nothing is shared with, taken from or written to a mail system that is already
on the machine. All of it needs root (mount namespaces) and what `tests/install test` installs.
"""

from .certificates import Certificates
from .daemon import Daemon
from .php import Php
from .postfix import Postfix
from .redis import Redis
from .room import Room
from .sendmail import Sendmail
from .sentinel import Sentinel
from .smtp import Client, Outcome, send_many
from .wait import free_port, wait_for

__all__ = ["Certificates", "Client", "Daemon", "Outcome", "Php", "Postfix", "Redis", "Room", "Sendmail", "Sentinel",
           "free_port", "send_many", "wait_for"]
