//! Which calls stop: a classic BPF program over the call's number and its arguments. Memory it can't see.
//!
//! ```text
//!   other architecture, io_uring_setup     ENOSYS, but a 32-bit program's socket calls: they stop, and the user is told
//!   a call of `rules`, its condition met    stops (USER_NOTIF)
//!   all others                              go on; the kernel knows that without asking the filter
//! ```

use crate::base::constants::{
    AF_CAN, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_RDS, MSG_ERRQUEUE, MSG_ZEROCOPY, NETLINK_ROUTE,
    NETLINK_SOCK_DIAG, SO_RCVTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO, SO_SNDTIMEO_NEW, SOL_SOCKET,
};
use crate::sys::number;
use crate::sys::seccomp::{ARCH, Instruction, NARROW, NATIVE, NUMBER, high_half, low_half};

/// When a call stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// The first argument is one of our families.
    Family,
    /// This argument, a pointer, is not NULL.
    Given(u32),
    /// sendto: an address is given, MSG_ZEROCOPY, or the third argument, a length, may be that of a request of CAN_BCM (56 bytes and
    /// frames).
    Sent {
        can: bool,
    },
    /// The pointer is not NULL, or the fourth argument, MSG_*, asks for the queue of errors.
    GivenOrErrors(u32),
    /// Not for SO_RCVTIMEO and SO_SNDTIMEO of SOL_SOCKET: the kernel keeps them, for the calls that it does itself.
    Option,
    /// The second argument is SIOC* (0x89..) or SIOCOUTQ.
    Request,
    /// This argument, O_*, has no O_EXCL: the file may be there already.
    Opening(u32),
}

fn rules(can: bool) -> Vec<(i64, When)> {
    let mut rules = vec![
        (number::SOCKET, When::Family),
        (number::BIND, When::Always),
        (number::LISTEN, When::Always),
        (number::CONNECT, When::Always),
        (number::ACCEPT, When::Given(1)),
        (number::ACCEPT4, When::Given(1)),
        (number::GETSOCKNAME, When::Always),
        (number::GETPEERNAME, When::Always),
        (number::GETSOCKOPT, When::Option),
        (number::SETSOCKOPT, When::Option),
        (number::SHUTDOWN, When::Always),
        (number::SENDTO, When::Sent { can }),
        (number::RECVFROM, When::GivenOrErrors(4)),
        (number::SENDMSG, When::Always),
        (number::RECVMSG, When::Always),
        (number::SENDMMSG, When::Always),
        (number::RECVMMSG, When::Always),
        (number::IOCTL, When::Request),
        (number::OPENAT, When::Opening(2)),
        (number::OPENAT2, When::Always),
    ];
    rules.extend(number::OPEN.map(|open| (open, When::Opening(1))));
    rules.extend(number::CREAT.map(|creat| (creat, When::Always)));
    rules
}

// Opcodes, linux/bpf_common.h.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// What a filter answers, seccomp(2).
const ALLOW: u32 = 0x7fff_0000;
const STOP: u32 = 0x7fc0_0000;
const ENOSYS: u32 = 0x0005_0000 | 38;

/// TIOCOUTQ, which is SIOCOUTQ: the one of them that does not begin with [`SIOC`].
const SIOCOUTQ: u32 = 0x5411;
const SIOC: u32 = 0x8900;

/// The x32 ABI marks its calls by this bit (x86-64 alone).
const X32: u32 = 0x4000_0000;

/// O_EXCL.
const EXCLUSIVE: u32 = 0o200;

/// One instruction of a block; blocks end with three instructions, one for each way out.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(u32),
    And(u32),
    If(u16, u32, Way, Way),
}

/// Where a test leads.
#[derive(Clone, Copy, Debug)]
enum Way {
    Next,
    Stop,
    Allow,
    Refuse,
}
use Step::{And, If, Load};
use Way::{Allow, Next, Refuse, Stop};

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

/// The steps, and behind them the ways out.
fn block(steps: &[Step]) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let jump = |way: Way| match way {
            Next => 0,
            Stop => (steps.len() - at - 1) as u8,
            Allow => (steps.len() - at) as u8,
            Refuse => (steps.len() - at + 1) as u8,
        };
        program.push(match *step {
            Load(offset) => plain(LOAD, offset),
            And(mask) => plain(AND, mask),
            If(code, k, yes, no) => Instruction { code, jt: jump(yes), jf: jump(no), k },
        });
    }
    program.extend([plain(RETURN, STOP), plain(RETURN, ALLOW), plain(RETURN, ENOSYS)]);
    program
}

/// The program. With `can`, what may be a request of the broadcast manager stops too: its errno is the answer that programs wait for.
pub(super) fn program(can: bool) -> Vec<Instruction> {
    let [first, second] = number::NARROW_SOCKETS;
    let foreign = block(&[
        If(EQUAL, NARROW, Next, Refuse),
        Load(NUMBER),
        If(EQUAL, first, Stop, Next),
        If(EQUAL, second, Stop, Allow),
    ]);
    let mut program = vec![plain(LOAD, ARCH)];
    program.push(Instruction { code: EQUAL, jt: foreign.len() as u8, jf: 0, k: NATIVE });
    program.extend(foreign);
    program.push(plain(LOAD, NUMBER));
    let refused = |code, k| [Instruction { code, jt: 0, jf: 1, k }, plain(RETURN, ENOSYS)];
    if cfg!(target_arch = "x86_64") {
        program.extend(refused(AT_LEAST, X32));
    }
    // A ring's operations pass every filter by: programs that can do without it do.
    program.extend(refused(EQUAL, number::IO_URING_SETUP as u32));
    for (call, when) in rules(can) {
        let test = block(&condition(when));
        program.push(Instruction { code: EQUAL, jt: 0, jf: test.len() as u8, k: call as u32 });
        program.extend(test);
    }
    program.push(plain(RETURN, ALLOW));
    program
}

fn condition(when: When) -> Vec<Step> {
    let given = |argument, not: Way| {
        [
            Load(low_half(argument)),
            If(EQUAL, 0, Next, Stop),
            Load(high_half(argument)),
            If(EQUAL, 0, not, Stop),
        ]
    };
    match when {
        When::Always => Vec::new(),
        When::Family => vec![
            Load(low_half(0)),
            If(EQUAL, AF_INET as u32, Stop, Next),
            If(EQUAL, AF_INET6 as u32, Stop, Next),
            If(EQUAL, AF_PACKET as u32, Stop, Next),
            If(EQUAL, AF_CAN as u32, Stop, Next),
            If(EQUAL, AF_RDS as u32, Stop, Next),
            If(EQUAL, AF_NETLINK as u32, Next, Allow),
            Load(low_half(2)),
            // The other protocols are about the machine, not its network.
            If(EQUAL, NETLINK_ROUTE as u32, Stop, Next),
            If(EQUAL, NETLINK_SOCK_DIAG as u32, Stop, Allow),
        ],
        When::Given(argument) => given(argument, Allow).to_vec(),
        When::Sent { can } => {
            let mut steps = given(4, Next).to_vec();
            let not = if can { Next } else { Allow };
            steps.extend([Load(low_half(3)), If(ANY_BIT, MSG_ZEROCOPY as u32, Stop, not)]);
            if can {
                steps.extend([
                    Load(low_half(2)),
                    If(AT_LEAST, 56, Next, Allow),
                    And(7),
                    If(EQUAL, 0, Stop, Allow),
                ]);
            }
            steps
        }
        When::GivenOrErrors(argument) => {
            let mut steps = given(argument, Next).to_vec();
            steps.extend([Load(low_half(3)), If(ANY_BIT, MSG_ERRQUEUE as u32, Stop, Allow)]);
            steps
        }
        When::Option => vec![
            Load(low_half(1)),
            If(EQUAL, SOL_SOCKET as u32, Next, Stop),
            Load(low_half(2)),
            If(EQUAL, SO_RCVTIMEO as u32, Allow, Next),
            If(EQUAL, SO_SNDTIMEO as u32, Allow, Next),
            If(EQUAL, SO_RCVTIMEO_NEW as u32, Allow, Next),
            If(EQUAL, SO_SNDTIMEO_NEW as u32, Allow, Stop),
        ],
        When::Request => vec![
            Load(low_half(1)),
            If(EQUAL, SIOCOUTQ, Stop, Next),
            And(0xffff_ff00),
            If(EQUAL, SIOC, Stop, Allow),
        ],
        When::Opening(argument) => {
            vec![Load(low_half(argument)), If(ANY_BIT, EXCLUSIVE, Allow, Stop)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::constants::MSG_MORE;

    /// A call as the filter sees it: words of struct seccomp_data.
    fn verdict(arch: u32, call: i64, args: [u64; 6]) -> u32 {
        judged(&program(false), arch, call, args)
    }

    fn judged(program: &[Instruction], arch: u32, call: i64, args: [u64; 6]) -> u32 {
        let mut words = vec![call as u32, arch, 0, 0];
        for arg in args {
            words.extend([arg as u32, (arg >> 32) as u32]);
        }
        let (mut at, mut a) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let yes = match code {
                LOAD => {
                    a = words[k as usize / 4];
                    continue;
                }
                AND => {
                    a &= k;
                    continue;
                }
                RETURN => return k,
                EQUAL => a == k,
                AT_LEAST => a >= k,
                ANY_BIT => a & k != 0,
                _ => panic!("{code}"),
            };
            at += usize::from(if yes { jt } else { jf });
        }
    }

    #[test]
    fn calls_about_sockets_stop_and_others_do_not() {
        let far = 1 << 40;
        let says = |call, args| verdict(NATIVE, call, args);
        for (call, args, wanted) in [
            (number::SOCKET, [2, 1, 0, 0, 0, 0], STOP),
            (number::SOCKET, [10, 2, 17, 0, 0, 0], STOP),
            (number::SOCKET, [17, 3, 0x300, 0, 0, 0], STOP),
            (number::SOCKET, [29, 3, 1, 0, 0, 0], STOP),
            (number::SOCKET, [16, 3, 0, 0, 0, 0], STOP),
            (number::SOCKET, [16, 3, 15, 0, 0, 0], ALLOW),
            (number::SOCKET, [1, 1, 0, 0, 0, 0], ALLOW),
            (number::BIND, [3, 0, 0, 0, 0, 0], STOP),
            (number::ACCEPT, [3, 0, 0, 0, 0, 0], ALLOW),
            (number::ACCEPT, [3, far, 0, 0, 0, 0], STOP),
            (number::ACCEPT4, [3, 8, 8, 0, 0, 0], STOP),
            (number::SENDTO, [3, 8, 1, 0, 0, 0], ALLOW),
            (number::SENDTO, [3, 8, 1, 0, far, 16], STOP),
            (number::SENDTO, [3, 8, 1, MSG_MORE as u64, 0, 0], ALLOW),
            (number::SENDTO, [3, 8, 1, MSG_ZEROCOPY as u64, 0, 0], STOP),
            (number::RECVFROM, [3, 8, 1, 0, 0, 0], ALLOW),
            (number::RECVFROM, [3, 8, 1, 0x2000, 0, 0], STOP),
            (number::RECVFROM, [3, 8, 1, 0, 8, 8], STOP),
            (number::SETSOCKOPT, [3, 1, 20, 8, 16, 0], ALLOW),
            (number::SETSOCKOPT, [3, 1, 67, 8, 16, 0], ALLOW),
            (number::SETSOCKOPT, [3, 6, 20, 8, 4, 0], STOP),
            (number::GETSOCKOPT, [3, 1, 4, 8, 8, 0], STOP),
            (number::IOCTL, [3, 0x8912, 8, 0, 0, 0], STOP),
            (number::IOCTL, [3, 0x5411, 8, 0, 0, 0], STOP),
            (number::IOCTL, [3, 0x541b, 8, 0, 0, 0], ALLOW),
            (number::OPENAT, [0, 8, 0o2000000, 0, 0, 0], STOP),
            (number::OPENAT, [0, 8, 0o1101, 0, 0, 0], STOP),
            (number::OPENAT, [0, 8, 0o302, 0, 0, 0], ALLOW),
            (number::OPENAT2, [0, 8, 8, 24, 0, 0], STOP),
            (number::IO_URING_SETUP, [8, 8, 0, 0, 0, 0], ENOSYS),
            (0, [0; 6], ALLOW),
        ] {
            assert_eq!(says(call, args), wanted, "{call} {args:x?}");
        }
    }

    #[test]
    fn what_may_be_a_request_of_the_broadcast_manager_stops_where_there_is_can() {
        for (len, wanted) in [(55, ALLOW), (56, STOP), (57, ALLOW), (72, STOP), (16, ALLOW), (1448, STOP)] {
            let args = [3, 8, len, 0, 0, 0];
            assert_eq!(judged(&program(true), NATIVE, number::SENDTO, args), wanted, "{len}");
            assert_eq!(judged(&program(false), NATIVE, number::SENDTO, args), ALLOW);
        }
        assert_eq!(judged(&program(true), NATIVE, number::SENDTO, [3, 8, 1, 0, 8, 16]), STOP);
    }

    #[test]
    fn other_architectures_do_not_slip_through() {
        let says = |arch, call| verdict(arch, call, [2, 1, 0, 0, 0, 0]);
        assert_eq!(says(NARROW, i64::from(number::NARROW_SOCKETS[0])), STOP);
        assert_eq!(says(NARROW, i64::from(number::NARROW_SOCKETS[1])), STOP);
        assert_eq!(says(NARROW, 4), ALLOW);
        assert_eq!(says(0x1234, 4), ENOSYS);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(says(NATIVE, i64::from(X32) | number::SOCKET), ENOSYS);
        }
    }
}
