//! HTTP as people write it: hyper's server and client on our types for tokio, and the service of `examples/http_service.rs` asked by
//! curl over a TAP.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockatoo::Host;
use sockatoo::device::{Cable, CableConfig};
use sockatoo::lab::Netns;
use sockatoo::socket::tokio::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/http_service.rs"]
mod http_service;

const SOON: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_example_answers_itself() {
    assert_eq!(timeout(SOON, http_service::in_memory()).await.unwrap().unwrap(), "Hello by HTTP/1.1");
}

fn post(body: &Bytes, version: Version) -> Request<Full<Bytes>> {
    let request = Request::post("http://192.0.2.1/length").header("Host", "192.0.2.1").version(version);
    request.body(Full::new(body.clone())).unwrap()
}

/// Small answers and large ones, requests with a body; one connection after the other, each with many requests.
#[tokio::test]
async fn http1_over_a_cable() {
    let (left, right) = Cable::pair(CableConfig::default());
    let server = Host::builder().device(left).address("192.0.2.1/24").unwrap().build().unwrap();
    let client = Host::builder().device(right).address("192.0.2.2/24").unwrap().build().unwrap();
    tokio::spawn(http_service::serve(TcpListener::bind(&server, "192.0.2.1:80").unwrap()));
    let asking = async {
        for _ in 0..10 {
            let stream = TcpStream::connect(&client, "192.0.2.1:80").await.unwrap();
            let (mut asking, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let body = Bytes::from(vec![7; 300_000]);
            for size in [0, 1, 1000, 200_000] {
                let request = Request::get(format!("/bytes/{size}")).header("Host", "192.0.2.1");
                let response = asking.send_request(request.body(Full::default()).unwrap()).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), size);
                let response = asking.send_request(post(&body, Version::HTTP_11)).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "300000\n");
            }
        }
    };
    timeout(SOON, asking).await.unwrap();
}

/// HTTP/2 over AF_UNIX: many requests at once on one connection.
#[tokio::test]
async fn http2_inside_a_host() {
    let host = Host::builder().build().unwrap();
    let listener = UnixListener::bind(&host, "/run/web").unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(http_service::serve_one(stream));
        }
    });
    let asking = async {
        let stream = TokioIo::new(UnixStream::connect(&host, "/run/web").await.unwrap());
        let (asking, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let body = Bytes::from(vec![7; 100_000]);
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let request = post(&body, Version::HTTP_2);
            let mut asking = asking.clone();
            requests.spawn(async move {
                let response = asking.send_request(request).await.unwrap();
                response.into_body().collect().await.unwrap().to_bytes()
            });
        }
        while let Some(answer) = requests.join_next().await {
            assert_eq!(answer.unwrap(), "100000\n");
        }
    };
    timeout(SOON, asking).await.unwrap();
}

/// The namespace, and the service at 192.0.2.2 and 2001:db8::2 in it; in a runtime of its own.
fn service() -> Option<(Netns, tokio::runtime::Runtime)> {
    let kernel = match Netns::new() {
        Ok(netns) => netns,
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let tap = kernel.tap("tap0", &["192.0.2.1/24", "2001:db8::1/64"]).unwrap();
    let host = Host::builder().device(tap).dad_transmits(0);
    let host = host.address("192.0.2.2/24").unwrap().address("2001:db8::2/64").unwrap().build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        for address in ["192.0.2.2:80", "[2001:db8::2]:80"] {
            tokio::spawn(http_service::serve(TcpListener::bind(&host, address).unwrap()));
        }
    });
    Some((kernel, runtime))
}

fn curl(kernel: &Netns, words: &str) -> Command {
    let mut curl = kernel.command("curl");
    curl.args(["-sS", "-m", "110"]).args(words.split_whitespace());
    curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    curl
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A thousand requests and more: on one connection, on one each, fifty at once, with a body of 1 MiB, by HTTP/2.
#[test]
fn curl_asks_a_thousand_times() {
    let Some((kernel, _runtime)) = service() else { return };
    let file = std::env::temp_dir().join(format!("sockatoo-hyper-{}", std::process::id()));
    std::fs::write(&file, vec![b'm'; 1 << 20]).unwrap();
    let url = "http://192.0.2.2";
    let ask = |words: &str| {
        let start = Instant::now();
        let text = told(&curl(&kernel, words).output().unwrap());
        println!("{:>6} ms: curl {words}", start.elapsed().as_millis());
        text
    };
    let each = "-o /dev/null -w %{http_code}/%{num_connects}/%{size_download}\\n";
    let counted = |text: &str, line: &str| text.lines().filter(|found| *found == line).count();

    // Kept alive: the first request connects.
    let kept = ask(&format!("{each} {url}/bytes/1000?[1-500]"));
    assert_eq!((counted(&kept, "200/1/1000"), counted(&kept, "200/0/1000")), (1, 499), "{kept}");
    // A connection each.
    let each_its_own = ask(&format!("{each} -H Connection:close {url}/bytes/100?[1-300]"));
    assert_eq!(counted(&each_its_own, "200/1/100"), 300, "{each_its_own}");
    // Fifty at once, of a length that windows and queues feel.
    let at_once = ask(&format!("{each} --no-progress-meter -Z --parallel-max 50 {url}/bytes/100000?[1-200]"));
    let whole = at_once.lines().filter(|line| line.starts_with("200/") && line.ends_with("/100000")).count();
    assert_eq!(whole, 200, "{at_once}");
    // HTTP/2 from its first byte, and IPv6. A connection each: curl 7.88 fails by itself at a second request (curl/curl#10634).
    for _ in 0..20 {
        assert_eq!(ask(&format!("{each} --http2-prior-knowledge {url}/bytes/100000")), "200/1/100000\n");
    }
    assert_eq!(ask("-g --http2-prior-knowledge http://[2001:db8::2]/"), "Hello by HTTP/2.0\n");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let data = format!("{version} --data-binary @{} {url}/length", file.display());
        for _ in 0..5 {
            assert_eq!(ask(&data), "1048576\n");
        }
    }
    std::fs::remove_file(&file).unwrap();
}
