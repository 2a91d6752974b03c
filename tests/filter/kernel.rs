//! Linux's verifier and machine. A pair of AF_UNIX datagram sockets needs no privilege and no network: a filter on one end says
//! what arrives of what the other end sends, and how much of it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use sockatoo::wire::filter::{Facts, Instruction, Program};

use crate::random::{Draw, mutate, program};

/// A pair of datagram sockets; the filter sits on the second.
struct Pair(OwnedFd, OwnedFd);

impl Pair {
    fn new() -> Self {
        let mut fds = [0; 2];
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }, 0);
        unsafe { Self(OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) }
    }

    /// SO_ATTACH_FILTER: true if Linux takes the program. (ENOMEM: it was legal, and too long for sysctl optmem_max.)
    fn attach(&self, program: &[Instruction]) -> bool {
        let mut filter: Vec<_> =
            program.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        let size = size_of::<libc::sock_fprog>() as libc::socklen_t;
        let result = unsafe {
            let value = (&raw const program).cast();
            libc::setsockopt(self.1.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, value, size)
        };
        let error = std::io::Error::last_os_error().raw_os_error();
        assert!(result == 0 || matches!(error, Some(libc::EINVAL | libc::ENOMEM)), "{error:?}");
        result == 0 || error == Some(libc::ENOMEM)
    }

    /// Sends the bytes through the filter: how many arrive; `None` = dropped.
    fn through(&self, bytes: &[u8]) -> Option<usize> {
        let sent = unsafe { libc::send(self.0.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        assert_eq!(usize::try_from(sent), Ok(bytes.len()));
        let mut buffer = [0_u8; 1024];
        let got = unsafe { libc::recv(self.1.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        usize::try_from(got).ok()
    }
}

#[test]
fn the_verifier_takes_what_linux_takes() {
    let mut draw = Draw::new(1);
    let pair = Pair::new();
    let mut taken = 0;
    const ROUNDS: usize = 6000;
    for _ in 0..ROUNDS {
        let len = draw.below(24) + 1;
        let mut program = program(&mut draw, len, 100);
        for _ in 0..draw.below(4) {
            if !program.is_empty() {
                mutate(&mut draw, &mut program);
            }
        }
        let (ours, linux) = (Program::new(program.clone()), pair.attach(&program));
        assert_eq!(ours.is_ok(), linux, "{ours:?} of {program:?}");
        taken += usize::from(linux);
    }
    assert!(
        (ROUNDS / 5..ROUNDS * 4 / 5).contains(&taken),
        "{taken} of {ROUNDS} were legal: no fair question"
    );
}

#[test]
fn the_verifier_knows_every_code_as_linux_does() {
    let pair = Pair::new();
    let ret = Instruction { code: 6, jt: 0, jf: 0, k: 1 };
    let st = Instruction { code: 2, jt: 0, jf: 0, k: 1 };
    for code in 0..0x400 {
        for k in [
            0,
            1,
            31,
            32,
            15,
            16,
            0xffff_f000,
            0xffff_f004,
            0xffff_f002,
            0xffff_f040,
            0xfff0_0000,
            0xffef_ffff,
        ] {
            let one = Instruction { code, jt: 0, jf: 1, k };
            for program in [vec![st, one, ret, ret], vec![ret, one], vec![st, one, ret]] {
                assert_eq!(Program::new(program.clone()).is_ok(), pair.attach(&program), "{program:x?}");
            }
        }
    }
}

#[test]
fn a_program_is_as_long_as_linux_allows() {
    let pair = Pair::new();
    for len in [0, 1, 4096, 4097] {
        let program = vec![Instruction { code: 6, jt: 0, jf: 0, k: 1 }; len];
        assert_eq!(Program::new(program.clone()).is_ok(), pair.attach(&program), "{len}");
    }
}

#[test]
fn the_machine_computes_what_linux_computes() {
    let mut draw = Draw::new(2);
    let pair = Pair::new();
    let (mut ran, mut passed, mut cut) = (0, 0, 0);
    while ran < 4000 {
        let len = draw.below(30) + 1;
        let program = program(&mut draw, len, 120);
        let Ok(ours) = Program::new(program.clone()) else { continue };
        assert!(pair.attach(&program), "{ours}");
        for _ in 0..4 {
            let len = draw.pick(&[1, 20, 60, 119, 300]);
            let bytes = draw.bytes(len);
            let kept = ours.run(&bytes, &Facts { len, link: usize::MAX, ..Facts::default() });
            let expected = (kept != 0).then(|| len.min(kept as usize));
            assert_eq!(pair.through(&bytes), expected, "kept {kept} of {bytes:x?}\n{ours}");
            (passed, cut) =
                (passed + usize::from(kept != 0), cut + usize::from(expected.is_some_and(|n| n < len)));
        }
        ran += 1;
    }
    assert!(passed > 2000 && cut > 500, "{passed} datagrams passed, {cut} of them cut: no fair question");
}
