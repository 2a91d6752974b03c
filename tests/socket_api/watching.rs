//! poll, select and epoll over our sockets and other descriptors together.

use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn poll_takes_sockets_of_two_hosts_and_a_pipe() {
    let (here, there) = (host(), host());
    let (one, other) = pair(&here, SOCK_STREAM);
    let (_three, four) = pair(&there, SOCK_DGRAM);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut watched =
        [PollFd::new(&other, POLLIN), PollFd::new(&four, POLLIN), PollFd::new(ours.as_fd(), POLLIN)];
    let mut seen = |timeout| {
        let ready = poll(&mut watched, Some(timeout)).unwrap();
        (ready, watched.each_ref().map(|w| w.revents))
    };
    assert_eq!(seen(Duration::ZERO), (0, [0; 3]));
    assert_eq!(seen(Duration::from_millis(2)), (0, [0; 3]));
    theirs.write_all(b"x").unwrap();
    assert_eq!(seen(SOON), (1, [0, 0, POLLIN]));
    one.sendall(b"x", 0).unwrap();
    assert_eq!(seen(SOON), (2, [POLLIN, 0, POLLIN]));
    drop(theirs);
    other.recv(1, 0).unwrap();
    assert_eq!(seen(SOON), (1, [0, 0, POLLIN | POLLHUP]));
    other.close().unwrap();
    assert_eq!(seen(SOON).1[0], POLLNVAL);
}

#[test]
fn poll_sleeps_until_another_host_or_the_kernel_wakes_it() {
    let (here, there) = (host(), host());
    let (_one, other) = pair(&here, SOCK_STREAM);
    let (three, four) = pair(&there, SOCK_STREAM);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let sender = thread::spawn(move || {
        three.sendall(b"x", 0).unwrap();
        four.recv(1, 0).unwrap();
        theirs.write_all(b"x").unwrap();
        (three, four, theirs)
    });
    let mut watched = [PollFd::new(&other, POLLIN), PollFd::new(ours.as_fd(), POLLIN)];
    assert_eq!(poll(&mut watched, None).unwrap(), 1);
    assert_eq!(watched[1].revents, POLLIN);
    sender.join().unwrap();
}

#[test]
fn select_tells_who_can_be_read_and_written() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    let same = |found: &[&Socket], wanted: &[&Socket]| {
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| std::ptr::eq(*a, *b))
    };
    let (r, w, x) = select(&[&one, &other], &[&one], &[&one], Some(SOON)).unwrap();
    assert!(same(&r, &[]) && same(&w, &[&one]) && same(&x, &[]));
    let (r, _, _) = select(&[&one, &other], &[], &[], Some(Duration::from_millis(1))).unwrap();
    assert!(r.is_empty());
    one.shutdown(SHUT_RDWR).unwrap();
    let (r, w, x) = select(&[&one, &other], &[&other], &[&one, &other], Some(SOON)).unwrap();
    assert!(same(&r, &[&one, &other]) && same(&w, &[&other]) && same(&x, &[]));
    // What has hung up is no exceptional condition: nobody is woken by it.
    let (_, _, x) = select(&[], &[], &[&one], Some(Duration::from_millis(1))).unwrap();
    assert!(x.is_empty());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let mixed: [Watched<'_>; 2] = [(&one).into(), ours.as_fd().into()];
    assert_eq!(select(&mixed, &mixed, &[], Some(SOON)).unwrap().0.len(), 2);
    one.close().unwrap();
    assert_eq!(errno(select(&[&one], &[], &[], Some(SOON))), Errno::EBADF);
}

#[test]
fn epoll_over_sockets_and_a_pipe() {
    let (here, there) = (host(), host());
    let (one, other) = pair(&here, SOCK_STREAM);
    let (three, four) = pair(&there, SOCK_DGRAM);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let epoll = Epoll::new().unwrap();
    epoll.register(&other, EPOLLIN).unwrap();
    epoll.register(&four, EPOLLIN | EPOLLONESHOT).unwrap();
    epoll.register(ours.as_fd(), EPOLLIN).unwrap();
    assert_eq!(errno(epoll.register(&other, EPOLLIN)), Errno::EEXIST);
    assert_eq!(errno(epoll.modify(&one, EPOLLIN)), Errno::ENOENT);
    assert_eq!(epoll.poll(Some(Duration::ZERO)).unwrap(), []);
    one.sendall(b"x", 0).unwrap();
    assert_eq!(epoll.poll(None).unwrap(), [(other.fileno().unwrap(), EPOLLIN)]);
    epoll.modify(&other, EPOLLIN | EPOLLOUT).unwrap();
    assert_eq!(epoll.poll(None).unwrap(), [(other.fileno().unwrap(), EPOLLIN | EPOLLOUT)]);
    epoll.unregister(&other).unwrap();
    three.send(b"x", 0).unwrap();
    assert_eq!(epoll.poll(None).unwrap(), [(four.fileno().unwrap(), EPOLLIN)]);
    // EPOLLONESHOT: once.
    assert_eq!(epoll.poll(Some(Duration::from_millis(1))).unwrap(), []);
    theirs.write_all(b"x").unwrap();
    assert_eq!(epoll.poll(None).unwrap().len(), 1);
    drop((four, ours));
    assert_eq!(epoll.poll(Some(Duration::from_millis(1))).unwrap(), []);
}

/// epoll(7): edge-triggered, a server that reads until EAGAIN hears of everything.
#[test]
fn epoll_on_edges() {
    let host = host();
    let (one, other) = pair(&host, SOCK_STREAM);
    other.setblocking(false).unwrap();
    let epoll = Epoll::new().unwrap();
    epoll.register(&other, EPOLLIN | EPOLLET).unwrap();
    for round in 0..20_u8 {
        one.sendall(&[round; 3], 0).unwrap();
        assert_eq!(epoll.poll(Some(SOON)).unwrap(), [(other.fileno().unwrap(), EPOLLIN)], "{round}");
        assert_eq!(epoll.poll(Some(Duration::ZERO)).unwrap(), [], "{round}");
        assert_eq!(other.recv(10, 0).unwrap(), [round; 3]);
        assert_eq!(errno(other.recv(10, 0)), Errno::EAGAIN);
    }
}
