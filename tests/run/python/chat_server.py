# A chat with one guest, line by line, until somebody says bye.
import socket

with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", 50007))
    server.listen()
    print("waiting")
    conn, addr = server.accept()
    with conn:
        print("guest from", addr[0])
        while True:
            data = conn.recv(1024)
            if not data:
                print("the guest has left")
                break
            print("guest:", data.decode())
            answer = input()
            if answer == "bye":
                break
            conn.sendall(answer.encode())
