//! A web service as people write them, with hyper and tokio; only the sockets below are ours.
//!
//! ```text
//! cargo run --features tokio --example http_service                               # asks itself, over a cable in memory
//! cargo run --features tokio --example http_service kernel                        # curl asks, from the kernel's side of a TAP
//! cargo run --features tokio --example http_service serve tap0 192.0.2.2/24       # serves there until it is ended
//! ```
#![allow(clippy::print_stdout)] // a program for the terminal

use std::convert::Infallible;
use std::io;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockatoo::Host;
use sockatoo::device::{Cable, CableConfig, Tap};
use sockatoo::socket::tokio::{TcpListener, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite};

mod lan;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", tap, address] => {
            let host = Host::builder().device(Tap::open(tap)?).address(address)?.build()?;
            println!("http://{}:80/", address.split('/').next().unwrap_or(address));
            serve(TcpListener::bind(&host, "0.0.0.0:80")?).await
        }
        ["kernel"] => beside_the_kernel().await,
        _ => {
            println!("{}", in_memory().await?);
            Ok(())
        }
    }
}

/// What the service says: `GET /`, `GET /bytes/N`, `POST /length`.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let asked = head.uri.path().strip_prefix("/bytes/").and_then(|number| number.parse::<usize>().ok());
    let (status, content) = match (head.method, head.uri.path(), asked) {
        (Method::GET, "/", _) => (StatusCode::OK, Bytes::from(format!("Hello by {:?}\n", head.version))),
        (Method::GET, _, Some(bytes)) => (StatusCode::OK, Bytes::from(vec![b'x'; bytes.min(10_000_000)])),
        (Method::POST, "/length", _) => match body.collect().await {
            Ok(body) => (StatusCode::OK, Bytes::from(format!("{}\n", body.to_bytes().len()))),
            Err(error) => (StatusCode::BAD_REQUEST, Bytes::from(error.to_string())),
        },
        _ => (StatusCode::NOT_FOUND, Bytes::from("Nothing is here\n")),
    };
    let mut response = Response::new(Full::new(content));
    *response.status_mut() = status;
    Ok(response)
}

/// Serves one connection, HTTP/1.1 or HTTP/2 as it begins.
pub(crate) async fn serve_one(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    // A client that goes away is its own affair.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}

/// Serves whoever comes.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // Heads are small, and the next piece shall not wait until they are acknowledged.
        stream.set_nodelay(true)?;
        tokio::spawn(serve_one(stream));
    }
}

/// The same stack asks: hyper's client over a cable.
pub(crate) async fn in_memory() -> io::Result<String> {
    let (left, right) = Cable::pair(CableConfig::default());
    let server = Host::builder().device(left).address("192.0.2.1/24")?.build()?;
    let client = Host::builder().device(right).address("192.0.2.2/24")?.build()?;
    let serving = tokio::spawn(serve(TcpListener::bind(&server, "192.0.2.1:80")?));
    let stream = TokioIo::new(TcpStream::connect(&client, "192.0.2.1:80").await?);
    let (mut asking, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = Request::get("/").header("Host", "192.0.2.1").body(Empty::<Bytes>::new());
    let response = asking.send_request(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?;
    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    serving.abort();
    Ok(String::from_utf8_lossy(&body).trim().to_owned())
}

/// curl asks, on the kernel's sockets.
async fn beside_the_kernel() -> io::Result<()> {
    let (kernel, host) = lan::beside_the_kernel(Host::builder())?;
    let serving = tokio::spawn(serve(TcpListener::bind(&host, "192.0.2.2:80")?));
    for more in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = kernel.command("curl");
        curl.args(["-sS", more, "http://192.0.2.2/"]);
        tokio::task::spawn_blocking(move || curl.status()).await??;
    }
    serving.abort();
    Ok(())
}
