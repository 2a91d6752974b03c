# TCP_INQ: recvmsg tells how much is left, of the listener's connections too; SO_RCVLOWAT: how much is waited for.
import select
import socket
import struct
import threading

TCP_INQ = 36

listener = socket.create_server(("127.0.0.1", 0))
listener.setsockopt(socket.IPPROTO_TCP, TCP_INQ, 1)
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()


def left(size, room=100, flags=0):
    data, control, flags, _ = server.recvmsg(size, room, flags)
    told = [(level, kind, struct.unpack("i", value)[0]) for level, kind, value in control]
    return data, told, flags == socket.MSG_CTRUNC


client.sendall(b"0123456789")
select.select([server], [], [])
print("peeked", left(4, flags=socket.MSG_PEEK))
print("read", left(4))
print("no room", left(2, room=0))
client.close()
poll = select.poll()
poll.register(server, select.POLLRDHUP)
poll.poll()
print("and the end", left(2), left(10), left(10))
server.setsockopt(socket.IPPROTO_TCP, TCP_INQ, 0)
print("off", left(10))

client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
server.setsockopt(socket.IPPROTO_TCP, TCP_INQ, 0)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 10)
client.sendall(b"little")
select.select([server], [], [], 0.2)
threading.Timer(0.2, client.sendall, [b", and a little more"]).start()
print("received", server.recv(100))
print("not waited for", client.send(b"less"), end=" ")
while True:
    try:
        print(server.recv(100, socket.MSG_DONTWAIT))
        break
    except BlockingIOError:
        pass
