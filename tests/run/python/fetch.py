# urllib against python3 -m http.server.
import hashlib
import sys
import urllib.error
import urllib.request

base = sys.argv[1]
for path in ["/page.html", "/big.bin", "/none"]:
    try:
        with urllib.request.urlopen(base + path, timeout=30) as answer:
            body = answer.read()
            print(path, answer.status, answer.headers["Content-Length"], hashlib.sha256(body).hexdigest())
    except urllib.error.HTTPError as error:
        print(path, error.code, error.reason)
try:
    urllib.request.urlopen("http://127.0.0.1:9/", timeout=5)
except urllib.error.URLError as error:
    print(error.reason)
