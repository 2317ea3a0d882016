"""A server behind a bad line: answers that come late, or byte by byte.

As a program (slow_line.py PORT) it is the line itself, a process of its own because it must run before everything else like
what it connects: it says its port, and takes `DELAY BYTE_PAUSE` in seconds as orders, a line each.
"""

import asyncio
import contextlib
import subprocess
import sys

if __name__ != "__main__":
    from .resp import accepts_writes
    from .servers import FIRST

MOST = 65536


class Line:
    def __init__(self, port):
        self.port = port
        self.delay = self.byte_pause = 0.0

    async def serve(self):
        listener = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        print(listener.sockets[0].getsockname()[1], flush=True)
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while order := await orders.readline():
            self.delay, self.byte_pause = map(float, order.split())

    async def connected(self, reader, writer):
        with contextlib.suppress(OSError), contextlib.closing(writer):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
            with contextlib.closing(server_writer):
                both = [asyncio.ensure_future(self.questions(reader, server_writer)), asyncio.ensure_future(self.answers(server_reader, writer))]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for one in both:
                    one.cancel()

    async def questions(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(MOST):
                writer.write(data)

    async def answers(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(MOST):
                await asyncio.sleep(self.delay)
                step = 1 if self.byte_pause else len(data)
                for at in range(0, len(data), step):
                    writer.write(data[at:at + step])
                    await asyncio.sleep(self.byte_pause)


class SlowLine:
    """A store in front of `server`: passes everything on at once, but for what slow() says."""

    def __init__(self, server):
        self.hash, self.block = server.hash, server.block
        self._process = subprocess.Popen([*FIRST, sys.executable, __file__, str(server.port)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, bufsize=1)
        self.port = int(self._process.stdout.readline())
        self.url = f"redis://127.0.0.1:{self.port}"

    def answers(self):
        return accepts_writes(("127.0.0.1", self.port), timeout=0.09)

    @contextlib.contextmanager
    def slow(self, delay=0.0, byte_pause=0.0):
        self._order(delay, byte_pause)
        try:
            yield
        finally:
            self._order(0.0, 0.0)

    def _order(self, delay, byte_pause):
        self._process.stdin.write(f"{delay} {byte_pause}\n")
        self._process.stdin.flush()

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    asyncio.run(Line(int(sys.argv[1])).serve())
