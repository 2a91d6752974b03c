# Many clients at once, 200 KB each; a refused one; datagrams to oneself.
import asyncio
import sys


async def one(n):
    reader, writer = await asyncio.open_connection("127.0.0.1", 50007)
    data = bytes([n]) * 200_000
    writer.write(data)
    writer.write_eof()
    same = await reader.read() == data
    writer.close()
    await writer.wait_closed()
    return same


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.come = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        self.come.set_result((data, addr[0]))


async def main():
    results = await asyncio.gather(*(one(n) for n in range(int(sys.argv[1]))))
    print(len(results), "clients, all right:", all(results))
    try:
        await asyncio.open_connection("127.0.0.1", 9)
    except OSError as error:
        print(type(error).__name__)
    loop = asyncio.get_running_loop()
    listening, protocol = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
    sending, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=listening.get_extra_info("sockname")
    )
    sending.sendto(b"hello")
    print(await protocol.come)


asyncio.run(main())
