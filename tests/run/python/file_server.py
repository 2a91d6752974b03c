# Sends a file of 10 MB by sendfile, then takes one by recv_into; both ends print the hash.
import hashlib
import random
import socket
import tempfile

content = random.Random(7).randbytes(10_000_000)
with tempfile.TemporaryFile() as file, socket.create_server(("::1", 50007), family=socket.AF_INET6) as server:
    file.write(content)
    print("waiting")
    conn, addr = server.accept()
    with conn:
        print("sent", conn.sendfile(file, 0))
        conn.shutdown(socket.SHUT_WR)
        total, digest = 0, hashlib.sha256()
        buffer = bytearray(65536)
        while n := conn.recv_into(buffer):
            digest.update(buffer[:n])
            total += n
    print("received", total, digest.hexdigest())
