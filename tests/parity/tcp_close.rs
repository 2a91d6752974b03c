//! How connections end: half close, FIN, RST, linger.

use sockatoo::base::constants::*;

/// TCP_INFO's number for the state after our FIN was acknowledged.
const FIN_WAIT2: u8 = 5;

const LINGER_0: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];

twins! {
    fn half_close_both_ways(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_WR);
        t.poll_until(server, POLLRDHUP);
        t.recv(server, 10, 0);
        t.send(server, b"answer", 0);
        t.shutdown(server, SHUT_WR);
        t.recv(client, 10, MSG_WAITALL);
        t.poll_until(client, POLLHUP);
        t.poll_until(server, POLLHUP);
        t.getpeername(client);
        t.getpeername(server);
        t.getsockname(client);
        t.shutdown(client, SHUT_WR);
        t.shutdown(server, SHUT_WR);
        t.shutdown(server, SHUT_RD);
    }

    fn close_with_unread_data_resets(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"unread", 0);
        t.wait(server, POLLIN);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.recv(client, 10, 0);
        t.recv(client, 10, 0);
        t.send(client, b"x", 0);
        t.so_error(client);
    }

    fn close_after_reading_all_finishes(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(client, b"read", 0);
        t.wait(server, POLLIN);
        t.recv(server, 10, 0);
        t.close(server);
        t.poll_until(client, POLLRDHUP);
        t.recv(client, 10, 0);
    }

    fn a_reset_told_by_send(t) in Lo {
        let (client, server, _) = t.pair();
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &LINGER_0);
        t.close(server);
        t.wait(client, POLLERR);
        t.send(client, b"x", 0);
        t.send(client, b"x", 0);
        t.recv(client, 10, 0);
        t.poll(client);
    }

    fn a_reset_told_by_recv(t) in Lo {
        let (client, server, _) = t.pair();
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &LINGER_0);
        t.close(server);
        t.wait(client, POLLERR);
        t.recv(client, 10, 0);
        t.recv(client, 10, 0);
        t.send(client, b"x", 0);
        t.poll(client);
    }

    fn a_reset_told_by_so_error(t) in Lo {
        let (client, server, _) = t.pair();
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &LINGER_0);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.so_error(client);
        t.so_error(client);
        t.poll(client);
        t.recv(client, 10, 0);
        t.send(client, b"x", 0);
        t.getpeername(client);
        t.getsockname(client);
        t.shutdown(client, SHUT_RDWR);
    }

    fn a_reset_takes_the_unread_data(t) in Lo {
        let (client, server, _) = t.pair();
        t.send(server, b"lost?", 0);
        t.wait(client, POLLIN);
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &LINGER_0);
        t.close(server);
        t.wait(client, POLLERR);
        t.ioctl(client, FIONREAD);
        t.recv(client, 10, 0);
        t.recv(client, 10, 0);
    }

    fn sending_to_one_who_closed(t) in Lo {
        let (client, server, _) = t.pair();
        t.close(server);
        t.wait(client, POLLRDHUP);
        t.send(client, b"first", 0);
        t.wait(client, POLLHUP);
        t.poll(client);
        t.send(client, b"second", 0);
        t.recv(client, 10, 0);
        t.send(client, b"third", 0);
    }

    fn a_pipe_error_is_told_once(t) in Lo {
        let (client, server, _) = t.pair();
        t.close(server);
        t.wait(client, POLLRDHUP);
        t.send(client, b"first", 0);
        t.wait(client, POLLHUP);
        t.so_error(client);
        t.so_error(client);
        t.recv(client, 10, 0);
    }

    fn reset_after_the_peers_fin_is_a_broken_pipe(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(server, SHUT_WR);
        t.wait(client, POLLRDHUP);
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &LINGER_0);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.so_error(client);
        t.recv(client, 10, 0);
    }

    fn linger_with_time_and_nothing_to_send(t) in Lo {
        let (client, server, _) = t.pair();
        t.setsockopt(client, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0, 5, 0, 0, 0]);
        t.close(server);
        t.wait(client, POLLRDHUP);
        t.close(client);
    }

    fn shutdown_of_a_fresh_socket(t) in Lo {
        let s = t.tcp();
        for how in [SHUT_RD, SHUT_WR, SHUT_RDWR, 3, -1] {
            t.shutdown(s, how);
        }
        t.poll(s);
        let b = t.tcp();
        t.bind(b, (t.ip.lo(), 5000));
        t.shutdown(b, SHUT_WR);
        let u = t.udp();
        for how in [SHUT_RD, SHUT_WR, SHUT_RDWR, 3] {
            t.shutdown(u, how);
        }
        t.poll(u);
    }

    fn the_other_end_in_one_close_each(t) in Lo {
        let (client, server, listener) = t.pair();
        t.close(client);
        t.wait(server, POLLRDHUP);
        t.recv(server, 1, 0);
        t.close(server);
        // The port is in TIME_WAIT on the client's side only: the server accepts again at once.
        let again = t.tcp();
        t.connect(again, (t.ip.lo(), 7000));
        t.wait(listener, POLLIN);
        t.accept(listener);
    }

    fn shutdown_then_reset_by_the_peer(t) in Lo {
        let (client, server, _) = t.pair();
        t.shutdown(client, SHUT_WR);
        t.wait(server, POLLRDHUP);
        t.setsockopt(server, SOL_SOCKET, SO_LINGER, &LINGER_0);
        t.close(server);
        t.poll_until(client, POLLERR);
        t.so_error(client);
        t.send(client, b"x", 0);
        t.recv(client, 1, 0);
    }

    fn data_that_waits_is_delivered_after_close(t) in Lo {
        let (client, server, _) = t.pair();
        let data = vec![b'd'; 50_000];
        t.send(client, &data, 0);
        t.close(client);
        t.recv(server, 50_000, MSG_WAITALL);
        t.recv(server, 10, 0);
    }

    fn tcp_info_tells_the_state(t) in Lo {
        let (client, server, listener) = t.pair();
        let fresh = t.tcp();
        for s in [fresh, listener, client, server] {
            let first = t.getsockopt(s, SOL_TCP, TCP_INFO, 1);
            t.note(format!("state {first:?}"));
        }
        t.shutdown(client, SHUT_WR);
        t.wait(server, POLLRDHUP);
        t.until(|t| t.tcp_state(client) == Some(FIN_WAIT2));
        t.getsockopt(client, SOL_TCP, TCP_INFO, 1);
        t.getsockopt(server, SOL_TCP, TCP_INFO, 1);
        t.shutdown(server, SHUT_WR);
        t.wait(client, POLLHUP);
        t.getsockopt(client, SOL_TCP, TCP_INFO, 1);
        t.getsockopt(server, SOL_TCP, TCP_INFO, 1);
    }
}
