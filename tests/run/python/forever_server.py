# Greets everyone, for ever; ends by Ctrl-C.
import socket

s = socket.create_server(("127.0.0.1", 50007))
print("waiting")
try:
    while True:
        conn, addr = s.accept()
        with conn, conn.makefile("rw") as file:
            name = file.readline().strip()
            file.write(f"Hello, {name}\n")
        print("greeted", name)
except KeyboardInterrupt:
    print("interrupted")
finally:
    s.close()
