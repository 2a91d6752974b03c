//! This machine's kernel as the other side: a namespace of its own, a TAP in it, and an HTTP server on the kernel's sockets.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::super::args::DemoArgs;
use super::super::doctor;
use super::super::say::Trouble;
use super::{Addresses, Scene, client, page};
use crate::lab::Netns;
use crate::trace::Recording;

const TAP: &str = "sockatoo0";
/// How long python3 may take to begin.
const STARTING: Duration = Duration::from_secs(10);

/// python3 and the folder that it serves; both are gone when dropped.
#[derive(Default)]
struct Python {
    child: Option<Child>,
    folder: Option<PathBuf>,
}

impl Drop for Python {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(folder) = self.folder.take() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

pub(super) fn scene(args: &DemoArgs) -> Result<Scene, Trouble> {
    let addresses = Addresses::of(args)?;
    let kernel = Netns::new()?;
    let tap = kernel.tap(TAP, &[&addresses.server.to_string()])?;
    let server = addresses.server();
    let (serving, python) = match start_python(&kernel, server) {
        Some(python) => (format!("python3 -m http.server on the kernel's sockets, http://{server}/"), python),
        None => {
            serve(&kernel, server)?;
            (format!("a small server on the kernel's sockets, http://{server}/"), Python::default())
        }
    };
    let recording = Recording::default();
    let client = client(args, tap, addresses.client, &recording)?;
    Ok(Scene {
        client,
        server,
        kind: "tap",
        wire: format!("TAP {TAP}, in a network namespace of its own"),
        serving,
        other: "Linux",
        recording,
        // The namespace goes last, with all that is in it.
        backstage: Arc::new(Mutex::new(Some(Box::new((python, kernel))))),
    })
}

/// python3's http.server with the page; `None` if it is not there, or does not begin.
fn start_python(kernel: &Netns, server: SocketAddr) -> Option<Python> {
    let program = doctor::find("python3")?;
    let folder = std::env::temp_dir().join(format!("sockatoo-demo-{}", std::process::id()));
    fs::create_dir(&folder).ok()?;
    let mut python = Python { child: None, folder: Some(folder.clone()) };
    fs::write(folder.join("index.html"), page::page()).ok()?;
    let mut command = kernel.command(program);
    command.args([
        "-m",
        "http.server",
        &server.port().to_string(),
        "--bind",
        &server.ip().to_string(),
        "--directory",
    ]);
    command.arg(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    python.child = Some(command.spawn().ok()?);
    let end = Instant::now() + STARTING;
    while Instant::now() < end {
        // Asked on the kernel's own side: nothing of it crosses the TAP.
        if matches!(kernel.run(|| TcpStream::connect_timeout(&server, STARTING)), Ok(Ok(_))) {
            return Some(python);
        }
        if !matches!(python.child.as_mut()?.try_wait(), Ok(None)) {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

/// The same without python3.
fn serve(kernel: &Netns, server: SocketAddr) -> Result<(), Trouble> {
    let listener = kernel.run(|| TcpListener::bind(server))??;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that breaks off is its own concern.
            let _ = page::serve(stream);
        }
    });
    Ok(())
}
