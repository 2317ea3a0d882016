"""A milter in a few lines, to prove the rig without a daemon, and to stand as "another milter" beside ours.

It answers every command with "continue", and at end of message with the packets it was given. What it saw is in
`messages`: one dict per message with the macros (by name, without braces), `mail`, `rcpt` and `headers`.
Wire format: 4 bytes length, 1 byte command, data; see Sendmail's libmilter/docs and Postfix' milter8.c.
"""

import socketserver
import struct
import threading

from .wait import Folder

CONTINUE = [b"c"]
ACCEPT = [b"a"]


def quarantine(reason):
    """End-of-message packets that hold the message."""
    return [b"q" + reason.encode() + b"\0", b"a"]


def reply(text):
    """End-of-message packets for an SMTP reply, e.g. "451 4.7.1 later"."""
    return [b"y" + text.encode() + b"\0"]


class StubMilter(socketserver.ThreadingUnixStreamServer):
    """Running between `with StubMilter(…) as stub:` and its end; `milter` and `sendmail_milter` are its addresses."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, at_end=CONTINUE):
        self.folder = Folder("stub")
        path = self.folder.path / "milter.sock"
        super().__init__(str(path), _Session)
        path.chmod(0o666)
        self.socket_path, self.milter, self.sendmail_milter = path, f"unix:{path}", f"local:{path}"
        self.at_end = at_end
        self.messages = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self.folder.remove()


class _Session(socketserver.StreamRequestHandler):
    def handle(self):
        macros, message = {}, {}
        while (packet := self._packet()) is not None:
            command, data = packet[:1], packet[1:]
            if command == b"O":
                self._send(b"O" + struct.pack("!III", 6, 0x20, 0))     # may quarantine, wants every event
            elif command == b"D":
                words = [word.decode(errors="replace") for word in data[1:].split(b"\0")[:-1]]
                macros |= {name.strip("{}"): value for name, value in zip(words[::2], words[1::2])}
            elif command == b"Q":
                return
            elif command not in (b"A", b"K"):
                message = self._event(command, data, message, macros)

    def _event(self, command, data, message, macros):
        words = [word.decode(errors="replace") for word in data.split(b"\0")[:-1]]
        if command == b"M":
            message = {"mail": words[0], "rcpt": [], "headers": []}
        elif command == b"R":
            message["rcpt"].append(words[0])
        elif command == b"L":
            message["headers"].append((words[0], words[1]))
        if command != b"E":
            self._send(b"c")
            return message
        self.server.messages.append({**macros, **message})
        for packet in self.server.at_end:
            self._send(packet)
        return {}

    def _packet(self):
        size = self.rfile.read(4)
        return self.rfile.read(struct.unpack("!I", size)[0]) if len(size) == 4 else None

    def _send(self, packet):
        self.wfile.write(struct.pack("!I", len(packet)) + packet)
