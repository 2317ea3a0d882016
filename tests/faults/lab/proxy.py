"""A server behind a bad line: answers that come late, or byte by byte, or not at all."""

import asyncio
import contextlib
import threading

from .resp import accepts_writes


class SlowLine:
    """A store in front of `server`: passes everything on, until `late` or `trickling` says how badly.

    Threads: its own; the settings may be changed from any.
    """

    def __init__(self, server):
        self.server = server
        self.hash, self.block = server.hash, server.block
        self.delay = 0.0          # seconds before an answer goes on
        self.byte_pause = None    # seconds between two bytes of an answer
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(5)
        self.url = f"redis://127.0.0.1:{self.port}"

    def _run(self):
        asyncio.set_event_loop(self._loop)
        listener = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            with contextlib.closing(upstream_writer), contextlib.closing(writer):
                await asyncio.wait([asyncio.ensure_future(self._questions(reader, upstream_writer)),
                                    asyncio.ensure_future(self._answers(upstream_reader, writer))],
                                   return_when=asyncio.FIRST_COMPLETED)

    async def _questions(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)

    async def _answers(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                for piece in [data] if self.byte_pause is None else [data[i:i + 1] for i in range(len(data))]:
                    writer.write(piece)
                    if self.byte_pause is not None:
                        await asyncio.sleep(self.byte_pause)

    def answers(self):
        return accepts_writes(("127.0.0.1", self.port), timeout=0.09)

    @contextlib.contextmanager
    def late(self, seconds):
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0.0

    @contextlib.contextmanager
    def trickling(self, pause):
        self.byte_pause = pause
        try:
            yield
        finally:
            self.byte_pause = None

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
