//! A chat of two, on two hosts with a cable between them.
//!
//!     cargo run --example chat             # both say what is written below
//!     cargo run --example chat -- you      # you type, the bird repeats; an empty line ends it
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

use std::io::{BufRead, Write};
use std::thread;

use sockatoo::device::{Cable, CableConfig};
use sockatoo::socket::{SHUT_WR, Server, Socket};
use sockatoo::{Host, Result};

fn main() -> Result<()> {
    let you = std::env::args().nth(1).is_some_and(|arg| arg == "you");

    // Two hosts, each with its own stack, and a cable in memory.
    let (left, right) = Cable::pair(CableConfig::default());
    let bird = Host::builder().hostname("bird").device(left).address("192.0.2.1/24")?.build()?;
    let friend = Host::builder().hostname("friend").device(right).address("192.0.2.2/24")?.build()?;

    let server = bird.create_server(("192.0.2.1", 8089), Server::default())?;
    let perch = thread::spawn(move || {
        let (connection, _) = server.accept()?;
        repeat_everything(&connection)
    });
    let connection = friend.create_connection(("192.0.2.1", 8089), None, None)?;
    let typed = std::io::stdin().lock().lines().map_while(std::result::Result::ok);
    if you {
        talk(&connection, typed.take_while(|line| !line.is_empty()))?;
    } else {
        let lines = ["Hello!", "Are you a kernel?", "Good bye."].map(str::to_owned);
        talk(&connection, lines.into_iter().inspect(|line| println!("friend: {line}")))?;
    }
    perch.join().expect("the bird does not panic")
}

/// Says one line after the other, and prints each answer.
fn talk(connection: &Socket, lines: impl Iterator<Item = String>) -> Result<()> {
    // A socket as a file: lines are easy.
    let mut file = connection.makefile("rw")?;
    for line in lines {
        writeln!(file, "{line}")?;
        file.flush()?;
        let mut answer = String::new();
        file.read_line(&mut answer)?;
        println!("bird:   {}", answer.trim_end());
    }
    // "I have said everything": the other side reads the end of file.
    connection.shutdown(SHUT_WR)
}

/// What cockatoos do.
fn repeat_everything(connection: &Socket) -> Result<()> {
    let mut file = connection.makefile("rw")?;
    let mut line = String::new();
    while file.read_line(&mut line)? > 0 {
        writeln!(file, "Squawk! {}", line.trim_end())?;
        file.flush()?;
        line.clear();
    }
    Ok(())
}
