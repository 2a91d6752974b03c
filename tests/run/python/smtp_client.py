# smtplib sends one message.
import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"], message["To"], message["Subject"] = "ada@example.org", "grace@example.org", "Greetings"
message.set_content("Hello,\nhow are you?\n")
with smtplib.SMTP("127.0.0.1", 50025, local_hostname="client.example", timeout=30) as smtp:
    print(smtp.ehlo()[0], smtp.has_extn("8bitmime"))
    print(smtp.send_message(message))
