# asyncio streams: echoes; ends after as many clients as it is told.
import asyncio
import sys


async def main():
    left, done = int(sys.argv[1]), asyncio.Event()

    async def echo(reader, writer):
        nonlocal left
        while data := await reader.read(10000):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        left -= 1
        if not left:
            done.set()

    server = await asyncio.start_server(echo, "127.0.0.1", 50007)
    print("serving on", server.sockets[0].getsockname())
    async with server:
        await done.wait()
    print("all served")


asyncio.run(main())
