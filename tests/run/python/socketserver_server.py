# socketserver's servers: threading or forking, tcp or udp. Ends by Ctrl-C.
import os
import socketserver
import sys
import threading


class Shout(socketserver.StreamRequestHandler):
    def handle(self):
        other = os.getpid() != first_process or threading.get_ident() != first_thread
        for line in self.rfile:
            self.wfile.write(line.upper())
        print("served by another:", other)


class ShoutDatagram(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read().upper())


first_process, first_thread = os.getpid(), threading.get_ident()
kind = {
    "threading": socketserver.ThreadingTCPServer,
    "forking": socketserver.ForkingTCPServer,
    "udp": socketserver.ThreadingUDPServer,
}[sys.argv[1]]
kind.allow_reuse_address = True
with kind(("127.0.0.1", 50007), ShoutDatagram if sys.argv[1] == "udp" else Shout) as server:
    print("serving on", server.server_address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("interrupted")
