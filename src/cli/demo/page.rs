//! The page of the demo, and the small server that gives it where python3 is not there to do so.

use std::io::{self, Read, Write};

/// The page: some segments long.
pub(super) fn page() -> String {
    let mut page = String::from(
        "<!doctype html>\n<title>Hello from the other side</title>\n<h1>Hello, Sockatoo!</h1>\n\
         <p>This page came in TCP segments over a wire that only the two of us know.</p>\n<pre>\n",
    );
    for n in 1..=60 {
        page += &format!("line {n:>2}: a bird that repeats exactly what the kernel says\n");
    }
    page + "</pre>\n"
}

/// Answers one request with the page, as HTTP/1.0 does: the end of the connection is the end of the page.
pub(super) fn serve(mut stream: impl Read + Write) -> io::Result<()> {
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < 16 * 1024 {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            n => request.extend_from_slice(&piece[..n]),
        }
    }
    let page = page();
    let head =
        format!("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(page.as_bytes())
}
