//! The types for tokio: many connections in one thread, over a cable between two hosts.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sockatoo::Host;
use sockatoo::UnixAddr;
use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::tokio::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);

fn neighbours() -> (Host, Host) {
    let (left, right) = Cable::pair(CableConfig::default());
    let host =
        |device, address: &str| Host::builder().device(device).address(address).unwrap().build().unwrap();
    (host(left, "192.0.2.1/24"), host(right, "192.0.2.2/24"))
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut buffer = vec![0; 10_000];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..len]).await?;
    }
}

#[tokio::test]
async fn many_connections_in_one_thread() {
    const CONNECTIONS: u8 = 50;
    let (a, b) = neighbours();
    let listener = TcpListener::bind(&a, ("192.0.2.1", 7)).unwrap();
    let server = tokio::spawn(async move {
        let mut echoes = JoinSet::new();
        for _ in 0..CONNECTIONS {
            echoes.spawn(echo(listener.accept().await?.0));
        }
        while let Some(done) = echoes.join_next().await {
            done.unwrap()?;
        }
        Ok::<_, std::io::Error>(())
    });
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let b = b.clone();
        clients.spawn(async move {
            let stream = TcpStream::connect(&b, ("192.0.2.1", 7)).await?;
            let data: Vec<u8> = (0..400_000u32).map(|i| (i as u8) ^ number).collect();
            let (mut reader, mut writer) = tokio::io::split(stream);
            let sent = data.clone();
            let writing = tokio::spawn(async move {
                writer.write_all(&sent).await?;
                writer.shutdown().await
            });
            let mut heard = Vec::new();
            reader.read_to_end(&mut heard).await?;
            writing.await.unwrap()?;
            Ok::<_, std::io::Error>(heard == data)
        });
    }
    while let Some(done) = timeout(SOON, clients.join_next()).await.unwrap() {
        assert!(done.unwrap().unwrap());
    }
    timeout(SOON, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn refused_is_said() {
    let (a, b) = neighbours();
    let error = timeout(SOON, TcpStream::connect(&b, ("192.0.2.1", 9))).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    drop(a);
}

#[tokio::test]
async fn datagrams() {
    let (a, b) = neighbours();
    let server = UdpSocket::bind(&a, ("192.0.2.1", 7)).unwrap();
    let client = UdpSocket::bind(&b, ("192.0.2.2", 0)).unwrap();
    let mut buffer = [0; 2000];
    for turn in 0..200u8 {
        client.send_to(&[turn; 1000], server.local_addr().unwrap()).await.unwrap();
        let (len, from) = timeout(SOON, server.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!((len, buffer[0], from), (1000, turn, client.local_addr().unwrap()));
        server.send_to(&buffer[..1], from).await.unwrap();
        assert_eq!(timeout(SOON, client.recv(&mut buffer)).await.unwrap().unwrap(), 1);
    }
    // A receive that is given up loses nothing.
    assert!(timeout(Duration::from_millis(5), client.recv(&mut buffer)).await.is_err());
    server.send_to(b"later", client.local_addr().unwrap()).await.unwrap();
    assert_eq!(timeout(SOON, client.recv(&mut buffer)).await.unwrap().unwrap(), 5);
}

#[tokio::test]
async fn unix_streams() {
    let host = Host::builder().build().unwrap();
    let name = UnixAddr::from_abstract_name("echo").unwrap();
    let listener = UnixListener::bind_addr(&host, &name).unwrap();
    let server = tokio::spawn(async move {
        let mut echoes = JoinSet::new();
        for _ in 0..10 {
            let (stream, peer) = listener.accept().await?;
            assert!(peer.is_unnamed());
            echoes.spawn(echo(stream));
        }
        while let Some(done) = echoes.join_next().await {
            done.unwrap()?;
        }
        Ok::<_, std::io::Error>(())
    });
    for number in 0..10u8 {
        let stream = UnixStream::connect_addr(&host, &name).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), name);
        assert_eq!(stream.peer_cred().unwrap().pid, std::process::id() as i32);
        let data: Vec<u8> = (0..1_000_000u32).map(|i| (i as u8) ^ number).collect();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let sent = data.clone();
        let writing = tokio::spawn(async move {
            writer.write_all(&sent).await?;
            writer.shutdown().await
        });
        let mut heard = Vec::new();
        timeout(SOON, reader.read_to_end(&mut heard)).await.unwrap().unwrap();
        writing.await.unwrap().unwrap();
        assert!(heard == data);
    }
    timeout(SOON, server).await.unwrap().unwrap().unwrap();
    let error = UnixStream::connect_addr(&host, &name).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn unix_datagrams_wait_for_room() {
    const MANY: usize = 500;
    let host = Host::builder().build().unwrap();
    let server = UnixDatagram::bind(&host, "/run/log").unwrap();
    let connected = UnixDatagram::unbound(&host).unwrap();
    connected.connect("/run/log").unwrap();
    let plain = UnixDatagram::bind(&host, "/run/plain").unwrap();
    let senders = async {
        let one = async {
            for _ in 0..MANY {
                connected.send(b"connected").await.unwrap();
            }
        };
        let other = async {
            for _ in 0..MANY {
                plain.send_to(b"plain", "/run/log").await.unwrap();
            }
        };
        tokio::join!(one, other);
    };
    let reader = async {
        let mut counts = (0, 0);
        let mut buffer = [0; 100];
        for _ in 0..2 * MANY {
            match server.recv_from(&mut buffer).await.unwrap() {
                (9, from) if from.is_unnamed() => counts.0 += 1,
                (5, from) if from.to_string() == "/run/plain" => counts.1 += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(counts, (MANY, MANY));
    };
    timeout(SOON, async { tokio::join!(senders, reader) }).await.unwrap();
    let (one, other) = UnixDatagram::pair(&host).unwrap();
    one.send(b"hello").await.unwrap();
    assert_eq!(timeout(SOON, other.recv(&mut [0; 9])).await.unwrap().unwrap(), 5);
}
