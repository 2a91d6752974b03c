//! The stub resolver: asks the host's servers one after the other, over UDP, and over TCP where the answer is too long.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::facts;
use crate::base::constants::{
    AF_INET, AF_INET6, IP_RECVERR, IPPROTO_IP, IPPROTO_IPV6, IPV6_RECVERR, SOCK_DGRAM, SOCK_STREAM,
};
use crate::base::{Errno, Error, Instant, Reason, Result};
use crate::driver::Host;
use crate::socket::Socket;
use crate::wire::dns::{self, Data, Message, Question, RCODE_NAME_ERROR, RCODE_NO_ERROR};

/// resolv.conf(5): `timeout:5 attempts:2`.
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;
/// A chain of aliases longer than this goes in circles.
const MAX_ALIASES: usize = 16;
/// What a UDP answer may have; RFC 1035 4.2.1 says 512, some servers send more.
const MAX_ANSWER: usize = 4096;

/// What DNS knows about a name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The name at the end of the aliases.
    pub(super) canonical: String,
    /// The names on the way there, the asked one first.
    pub(super) aliases: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// Of a reverse lookup.
    pub(super) names: Vec<String>,
}

/// Asks for the records of these types (TYPE_*), all at once.
///
/// # Errors
/// EAI_NONAME, EAI_NODATA, EAI_AGAIN (no server answers), EAI_FAIL.
pub(super) fn ask(host: &Host, name: &str, kinds: &[u16]) -> Result<Answer> {
    let servers = facts::servers(host);
    if servers.is_empty() {
        return Err(Errno::EAI_AGAIN.with(format!(
            "`{name}` is no number and not in the hosts table, and this host has no DNS server"
        )));
    }
    let mut failure = Errno::EAI_AGAIN.with(format!("no DNS server answered the question for `{name}`"));
    for _ in 0..ATTEMPTS {
        for &server in &servers {
            match ask_server(host, server, name, kinds) {
                Ok(answer) => return Ok(answer),
                Err(error)
                    if error.is_shutdown()
                        || matches!(error.errno(), Errno::EAI_NONAME | Errno::EAI_NODATA) =>
                {
                    return Err(error);
                }
                Err(error) if matches!(error.errno(), Errno::EAI_AGAIN | Errno::EAI_FAIL) => failure = error,
                // The server is not there, or says nothing: the next one.
                Err(_) => {}
            }
        }
    }
    Err(failure)
}

fn ask_server(host: &Host, server: SocketAddr, name: &str, kinds: &[u16]) -> Result<Answer> {
    let family = if server.is_ipv4() { AF_INET } else { AF_INET6 };
    let socket = host.socket(family, SOCK_DGRAM, 0)?;
    // Also what ICMP calls soft (no route, no neighbour) means: the next server, at once.
    match family {
        AF_INET => socket.setsockopt(IPPROTO_IP, IP_RECVERR, true)?,
        _ => socket.setsockopt(IPPROTO_IPV6, IPV6_RECVERR, true)?,
    }
    socket.connect(server)?;
    let deadline = host.now() + TIMEOUT;
    let mut questions = Vec::with_capacity(kinds.len());
    for &kind in kinds {
        // RFC 5452 9.2: an unpredictable id and (bind's work) an unpredictable port.
        #[allow(clippy::cast_possible_truncation)]
        let id = host.random() as u16;
        let query = dns::query(id, name, kind)
            .map_err(|malformed| Errno::EAI_NONAME.with(format!("`{name}`: {malformed}")))?;
        socket.send(&query, 0)?;
        questions.push((id, kind, query));
    }
    let mut answers = Vec::new();
    while let Some((index, message)) = next_answer(host, &socket, deadline, name, &questions)? {
        let (_, _, query) = questions.swap_remove(index);
        answers.push(if message.truncated { ask_over_tcp(host, server, &query, deadline)? } else { message });
        if questions.is_empty() {
            break;
        }
    }
    merge(name, kinds, &answers)
}

/// Waits for the answer to one of the questions; says which.
fn next_answer(
    host: &Host,
    socket: &Socket,
    deadline: Instant,
    name: &str,
    questions: &[(u16, u16, Vec<u8>)],
) -> Result<Option<(usize, Message)>> {
    let mut buffer = [0; MAX_ANSWER];
    loop {
        let left = deadline - host.now();
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT.because(Reason::TimedOut));
        }
        socket.settimeout(Some(left))?;
        let len = socket.recv_into(&mut buffer, 0)?;
        let Ok(message) = dns::parse(&buffer[..len.min(MAX_ANSWER)]) else { continue };
        // RFC 5452 9.1: an answer counts only if id and question are ours (the socket is connected: so is the server).
        let fits = |(id, kind, _): &(u16, u16, Vec<u8>)| {
            message.response && message.id == *id && answers_question(&message, name, *kind)
        };
        if let Some(index) = questions.iter().position(fits) {
            return Ok(Some((index, message)));
        }
    }
}

fn answers_question(message: &Message, name: &str, kind: u16) -> bool {
    let [question] = message.questions.as_slice() else { return false };
    let Question { name: asked, kind: asked_kind } = question;
    asked.eq_ignore_ascii_case(name.trim_end_matches('.')) && *asked_kind == kind
}

/// RFC 7766 5: a truncated answer is asked for again over TCP. Two bytes of length stand before each message.
fn ask_over_tcp(host: &Host, server: SocketAddr, query: &[u8], deadline: Instant) -> Result<Message> {
    use crate::base::constants::MSG_WAITALL;
    let family = if server.is_ipv4() { AF_INET } else { AF_INET6 };
    let socket = host.socket(family, SOCK_STREAM, 0)?;
    socket.settimeout(Some(deadline - host.now()))?;
    socket.connect(server)?;
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    socket.sendall(&[&length.to_be_bytes()[..], query].concat(), 0)?;
    let mut length = [0; 2];
    let mut message = Vec::new();
    if socket.recv_into(&mut length, MSG_WAITALL)? == length.len() {
        message = socket.recv(u16::from_be_bytes(length).into(), MSG_WAITALL)?;
    }
    let asked = dns::parse(query).ok();
    dns::parse(&message)
        .ok()
        .filter(|m| m.response && asked.is_some_and(|a| a.id == m.id && a.questions == m.questions))
        .ok_or_else(|| Errno::EAI_AGAIN.with(format!("the answer of {server} over TCP makes no sense")))
}

/// Follows the aliases through the answers, and collects what stands at their end.
fn merge(name: &str, kinds: &[u16], answers: &[Message]) -> Result<Answer> {
    let mut result = Answer::default();
    let mut failure: Option<Error> = None;
    for message in answers {
        match message.rcode {
            RCODE_NO_ERROR => {}
            RCODE_NAME_ERROR => {
                return Err(Errno::EAI_NONAME.with(format!("DNS has no name `{name}`")));
            }
            // SERVFAIL is for a while; the others are the server's last word.
            2 => failure = Some(Errno::EAI_AGAIN.with(format!("the DNS server failed to look up `{name}`"))),
            code => {
                failure = Some(
                    Errno::EAI_FAIL
                        .with(format!("the DNS server refused the question for `{name}` (rcode {code})")),
                )
            }
        }
        let mut owner = name.trim_end_matches('.').to_ascii_lowercase();
        let mut seen = HashSet::new();
        while let Some(target) = message.answers.iter().find_map(|r| match &r.data {
            Data::Cname(target) if r.name == owner => Some(target),
            _ => None,
        }) {
            if !result.aliases.contains(&owner) {
                result.aliases.push(owner.clone());
            }
            if !seen.insert(owner) || seen.len() > MAX_ALIASES {
                return Err(Errno::EAI_FAIL.with(format!("the aliases of `{name}` go in circles")));
            }
            owner = target.clone();
        }
        for record in message.answers.iter().filter(|r| r.name == owner) {
            match &record.data {
                Data::A(a) if kinds.contains(&dns::TYPE_A) => result.addresses.push((*a).into()),
                Data::Aaaa(a) if kinds.contains(&dns::TYPE_AAAA) => result.addresses.push((*a).into()),
                Data::Ptr(target) => result.names.push(target.clone()),
                _ => {}
            }
        }
        result.canonical = owner;
    }
    match failure {
        _ if !result.addresses.is_empty() || !result.names.is_empty() => Ok(result),
        Some(failure) => Err(failure),
        None => {
            Err(Errno::EAI_NODATA.with(format!("`{name}` exists, but has no address of the wanted kind")))
        }
    }
}
