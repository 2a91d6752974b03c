# Answers datagrams in capitals, until one says quit.
import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 50007))
print("waiting")
while True:
    data, addr = sock.recvfrom(4096)
    print(len(data), "bytes from", addr[0])
    sock.sendto(data.upper(), addr)
    if data == b"quit":
        break
