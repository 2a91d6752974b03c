# A small mail server: takes one message, prints it, ends.
import socketserver


class Mail(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail.example ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self.say("250-mail.example\r\n250 8BITMIME")
            elif verb == "DATA":
                self.say("354 go on")
                while (line := self.rfile.readline().decode().strip()) != ".":
                    print("|", line)
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                print(line)
                self.say("250 ok")


with socketserver.TCPServer(("127.0.0.1", 50025), Mail) as server:
    print("ready")
    server.handle_request()
