# A server in a thread, its client in the main one: XML-RPC over http.
import threading
from xmlrpc.client import Fault, ServerProxy
from xmlrpc.server import SimpleXMLRPCServer

with SimpleXMLRPCServer(("localhost", 0), logRequests=False) as server:
    server.register_function(pow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with ServerProxy("http://localhost:%d" % server.server_address[1]) as proxy:
        print(proxy.pow(2, 10))
        try:
            proxy.pow("x", 1)
        except Fault as fault:
            print("fault", fault.faultCode)
    server.shutdown()
