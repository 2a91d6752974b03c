# The guest of chat_server.py.
import socket

with socket.create_connection(("localhost", 50007)) as client:
    print("connected")
    while True:
        line = input()
        if line == "bye":
            break
        client.sendall(line.encode())
        data = client.recv(1024)
        if not data:
            print("the server has left")
            break
        print("server:", data.decode())
