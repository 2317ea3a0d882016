"""forward.py PORT SOCKET: connections to that loopback port go to the unix socket, as `ssh -L PORT:SOCKET` forwards them."""

import asyncio
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(port, path):
    async def connected(reader, writer):
        near, far = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, far), pump(near, writer))
    server = await asyncio.start_server(connected, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
