# Many threads, each with its calls that wait, at once.
import socket
import threading

server = socket.create_server(("127.0.0.1", 0), backlog=50)
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
total, lock = 0, threading.Lock()


def serve():
    conn, _ = server.accept()
    with conn:
        while data := conn.recv(1000):
            conn.sendall(data)


def ask(n):
    global total
    with socket.create_connection(server.getsockname()) as s:
        for _ in range(20):
            s.sendall(b"%04d" % n)
            got = s.recv(4, socket.MSG_WAITALL)
            with lock:
                total += int(got)


threads = [threading.Thread(target=serve) for _ in range(20)]
threads += [threading.Thread(target=ask, args=(n,)) for n in range(20)]
threads += [threading.Thread(target=udp.recvfrom, args=(10,)) for _ in range(10)]
for t in threads:
    t.start()
for _ in range(10):
    socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", udp.getsockname())
for t in threads:
    t.join()
print(total)
