# Says everything back, by send(2) to the peer of connect(2). 200 messages, then one more.
import socket

with socket.socket(socket.AF_RDS, socket.SOCK_SEQPACKET) as s:
    s.bind(("192.0.2.2", 4000))
    s.connect(("192.0.2.1", 5000))
    print("bound", s.getsockname(), s.getpeername())
    for _ in range(200):
        data, who = s.recvfrom(10000)
        assert who == ("192.0.2.1", 5000), who
        s.send(data)
    print(s.recv(100).decode())
