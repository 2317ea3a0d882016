"""The milter protocol on the wire: packets, and a tap between an MTA and a milter that writes down what they say.

    4 bytes length (of what follows), 1 byte command, data        see Postfix' milter8.c, Sendmail's libmilter/mfdef.h
"""

import socket
import socketserver
import struct
import threading

from .wait import Folder

EVENTS = {b"O": "negotiate", b"C": "connect", b"H": "helo", b"M": "mail", b"R": "rcpt", b"T": "data", b"L": "header",
          b"N": "eoh", b"B": "body", b"E": "eom", b"A": "abort", b"U": "unknown", b"Q": "quit", b"K": "quit, go on"}
ANSWERS = {b"c": "continue", b"a": "accept", b"t": "tempfail", b"r": "reject", b"d": "discard", b"y": "reply",
           b"q": "quarantine", b"O": "negotiate"}


def packet(command, data=b""):
    return struct.pack("!I", len(data) + 1) + command + data


def read_packet(stream):
    """(command, data) of the next packet; None where the stream ends, also in the middle of one."""
    size = stream.read(4)
    content = stream.read(struct.unpack("!I", size)[0]) if len(size) == 4 else b""
    return (content[:1], content[1:]) if content else None


def answer_text(command, data):
    """`continue`, `reply 451 4.7.1 text`, `quarantine reason`: an answer as a word and its text."""
    text = data.rstrip(b"\0").decode(errors="replace") if command in (b"y", b"q") else ""
    return ANSWERS.get(command, repr(command)) + (" " + text if text else "")


class Tap(socketserver.ThreadingUnixStreamServer):
    """Running between `with Tap(daemon.socket) as tap:` and its end; `milter` is the address to give to the MTA.

    `talk` is a list of [event, [answers]] in the order of the events, macros left out.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, milter_path):
        self.folder = Folder("tap")
        path = self.folder.path / "milter.sock"
        super().__init__(str(path), _Session)
        self.milter, self.milter_path = f"unix:{path}", str(milter_path)
        self.talk = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self.folder.remove()

    def words(self):
        """Each answer with the event that it followed, as `mail: continue`, without the negotiation."""
        return [f"{event}: {answer}" for event, answers in self.talk for answer in answers if event != "negotiate"]


class _Session(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.socket(socket.AF_UNIX) as milter:
            milter.connect(self.server.milter_path)
            back = threading.Thread(target=self._copy, args=(milter, self.request, self._answered), daemon=True)
            back.start()
            self._copy(self.request, milter, self._happened)
            back.join()

    def _copy(self, source, target, note):
        stream = source.makefile("rb")
        try:
            while (read := read_packet(stream)) is not None:
                note(*read)
                target.sendall(packet(*read))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass   # the other end has gone: so has what it would have said

    def _happened(self, command, _):
        if command != b"D":
            self.server.talk.append([EVENTS.get(command, repr(command)), []])

    def _answered(self, command, data):
        self.server.talk[-1][1].append(answer_text(command, data))
