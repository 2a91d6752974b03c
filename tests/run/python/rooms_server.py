# A chat room for many, with select: what one says, all others hear.
import select
import socket

server = socket.create_server(("127.0.0.1", 50007))
clients = []
print("open")
while True:
    readable, _, _ = select.select([server, *clients], [], [])
    for s in readable:
        if s is server:
            conn, _ = server.accept()
            clients.append(conn)
            print("guests:", len(clients))
            continue
        data = s.recv(1000)
        if data:
            for other in clients:
                if other is not s:
                    other.sendall(data)
        else:
            clients.remove(s)
            s.close()
            print("guests:", len(clients))
    if not clients:
        break
