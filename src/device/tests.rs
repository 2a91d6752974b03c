use std::time::Duration;

use super::*;
use crate::base::{Direction, Errno};
use crate::sys::{PollFd, poll};
use crate::trace::Recording;

fn frame(n: u32) -> Frame {
    let mut bytes = vec![0; 60];
    bytes[14..18].copy_from_slice(&n.to_be_bytes());
    Frame::copy_of(&bytes)
}

fn number(frame: &Frame) -> u32 {
    u32::from_be_bytes(frame.bytes()[14..18].try_into().unwrap())
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// What `device` gives at `now`.
fn drain(device: &mut impl Device, now: Instant) -> Vec<u32> {
    let pool = Pool::new();
    std::iter::from_fn(|| device.recv(now, &pool).unwrap()).map(|frame| number(&frame)).collect()
}

fn notes(device: &mut impl Device) -> Vec<(Reason, u64)> {
    let mut all = Vec::new();
    device.notes(&mut |reason, n| all.push((reason, n)));
    all
}

/// Is the descriptor readable now?
fn readable(device: &impl Device) -> bool {
    poll(&mut [PollFd::new(device.fd().unwrap(), true, false)], Some(Duration::ZERO)).unwrap() == 1
}

#[test]
fn what_loopback_is_given_it_gives_back() {
    let mut lo = Loopback::new();
    lo.send(at(1), frame(1)).unwrap();
    lo.send(at(1), frame(2)).unwrap();
    let first = lo.recv(at(2), &Pool::new()).unwrap().unwrap();
    assert_eq!((number(&first), first.direction, first.time), (1, Direction::In, at(2)));
    assert_eq!(drain(&mut lo, at(2)), [2]);
    for n in 0..20_000 {
        lo.send(at(3), frame(n)).unwrap();
    }
    let dropped = notes(&mut lo);
    assert!(matches!(dropped[..], [(Reason::DeviceQueueFull, n)] if n > 10_000), "{dropped:?}");
    assert!(notes(&mut lo).is_empty(), "told once");
}

#[test]
fn a_cable_joins_two_ends_and_holds_a_bounded_number() {
    let (mut a, mut b) = Cable::pair(CableConfig { queue: 3, ..CableConfig::default() });
    assert_ne!(a.mac(), b.mac());
    assert!(!a.mac().is_multicast() && a.mac().0[0] & 2 != 0);
    for n in 0..5 {
        a.send(at(0), frame(n)).unwrap();
    }
    b.send(at(0), frame(9)).unwrap();
    assert_eq!((drain(&mut b, at(0)), drain(&mut a, at(0))), (vec![0, 1, 2], vec![9]));
    assert_eq!(notes(&mut a), [(Reason::DeviceQueueFull, 2)]);
}

#[test]
fn a_cable_wakes_a_host_only_while_it_sleeps() {
    let (mut a, mut b) = Cable::pair(CableConfig::default());
    assert!(!readable(&b));
    a.send(at(0), frame(0)).unwrap();
    assert!(!readable(&b), "its host is awake");
    b.sleeping(true);
    assert!(readable(&b), "a frame came before it fell asleep");
    b.sleeping(false);
    assert_eq!(drain(&mut b, at(0)), [0]);
    b.sleeping(true);
    assert!(!readable(&b));
    a.send(at(0), frame(1)).unwrap();
    assert!(readable(&b));
    // A driver that only reads, and never says that it woke, does not spin either.
    assert_eq!(drain(&mut b, at(0)), [1]);
    assert!(!readable(&b));
}

#[test]
fn an_unplugged_cable_is_a_link_that_is_down() {
    let (mut a, b) = Cable::pair(CableConfig::default());
    a.sleeping(true);
    assert!(a.is_up() && !readable(&a));
    drop(b);
    assert!(!a.is_up() && readable(&a));
    let error = a.recv(at(0), &Pool::new()).unwrap_err();
    assert_eq!((error.errno(), error.reason()), (Errno::ENETDOWN, Reason::LinkDown));
    assert!(a.recv(at(0), &Pool::new()).unwrap().is_none(), "told once");
    a.sleeping(true);
    assert!(!readable(&a), "and the host may sleep");
    assert!(matches!(a.send(at(0), frame(0)), Err(SendError::Failed(_))));
}

#[test]
fn a_tee_records_what_was_on_the_wire() {
    let recording = Recording::default();
    let (a, mut b) = Cable::pair(CableConfig::default());
    let (a, switch) = Faulty::new(a);
    let mut a = Tee::new(a, recording.clone());
    a.send(at(1), frame(1)).unwrap();
    b.send(at(2), frame(2)).unwrap();
    drain(&mut a, at(3));
    switch.set(Fault::Busy);
    let Err(SendError::Busy(back)) = a.send(at(4), frame(4)) else { panic!("not busy") };
    assert_eq!(number(&back), 4);
    switch.set(Fault::Erring);
    assert!(matches!(a.send(at(5), back), Err(SendError::Failed(e)) if e.errno() == Errno::EIO));
    let frames = recording.frames();
    let seen: Vec<_> = frames.iter().map(|f| (f.time, f.direction)).collect();
    assert_eq!(seen, [(at(1), Direction::Out), (at(3), Direction::In)]);
}

#[test]
fn a_faulty_device_goes_down_and_comes_back() {
    let (a, mut b) = Cable::pair(CableConfig::default());
    let (mut a, switch) = Faulty::new(a);
    switch.set(Fault::Down);
    assert!(!a.is_up());
    b.send(at(0), frame(0)).unwrap();
    assert!(a.recv(at(0), &Pool::new()).is_err() && a.recv(at(0), &Pool::new()).unwrap().is_none());
    assert!(matches!(a.send(at(0), frame(0)), Err(SendError::Failed(_))));
    switch.set(Fault::None);
    b.send(at(1), frame(1)).unwrap();
    assert_eq!(drain(&mut a, at(1)), [1]);
    assert!(a.is_up());
}

/// A recorder whose disk is full from the start.
#[derive(Debug)]
struct Broken;

impl crate::trace::Recorder for Broken {
    fn record(&mut self, _: Instant, _: Direction, _: &Frame) {}
    fn has_failed(&self) -> bool {
        true
    }
}

#[test]
fn a_tee_that_can_not_record_says_so_once_and_passes_frames_on() {
    let (a, mut b) = Cable::pair(CableConfig::default());
    let mut a = Tee::new(a, Broken);
    a.send(at(0), frame(1)).unwrap();
    assert_eq!(drain(&mut b, at(0)), [1]);
    assert_eq!(notes(&mut a), [(Reason::RecorderFailed, 1)]);
    assert_eq!(notes(&mut a), []);
}

#[test]
fn a_link_that_is_down_under_an_impairment_is_told_to_the_sender() {
    let (a, b) = Cable::pair(CableConfig::default());
    let mut a = Impair::outgoing(a, "corrupt=1%,delay=1ms".parse().unwrap());
    a.send(at(0), frame(0)).unwrap();
    drop(b);
    assert!(a.recv(at(1), &Pool::new()).is_err(), "told by the device");
    assert_eq!(notes(&mut a), [(Reason::LinkDown, 1)], "and the frame under way is counted");
    let (mut a, b) = impaired("corrupt=1%");
    drop(b);
    assert!(
        matches!(a.send(at(0), frame(1)), Err(SendError::Failed(_))),
        "its sender still waits for the result"
    );
    assert_eq!(notes(&mut a), []);
}

/// A cable whose first end's frames meet the impairment described.
fn impaired(text: &str) -> (Impair<CableEnd>, CableEnd) {
    let (a, b) = Cable::pair(CableConfig { queue: 100_000, ..CableConfig::default() });
    (Impair::outgoing(a, text.parse().unwrap()), b)
}

#[test]
fn loss_and_duplication_keep_their_chances_and_their_seed() {
    let run = |text: &str| {
        let (mut a, mut b) = impaired(text);
        (0..10_000).for_each(|n| a.send(at(0), frame(n)).unwrap());
        (drain(&mut b, at(0)), notes(&mut a))
    };
    let (seen, dropped) = run("loss=10%,seed=1");
    assert!((8_800..9_200).contains(&seen.len()), "{}", seen.len());
    assert_eq!(dropped, [(Reason::ImpairLost, 10_000 - seen.len() as u64)]);
    assert_eq!(run("loss=10%,seed=1").0, seen);
    assert_ne!(run("loss=10%,seed=2").0, seen);
    let doubled = run("duplicate=5%").0;
    assert!((10_350..10_650).contains(&doubled.len()), "{}", doubled.len());
    assert!(run("loss=100%").0.is_empty());
}

#[test]
fn corruption_turns_over_one_bit_behind_the_link_header() {
    let (mut a, mut b) = impaired("corrupt=100%");
    for n in 0..1000 {
        a.send(at(0), frame(n)).unwrap();
        let seen = b.recv(at(0), &Pool::new()).unwrap().unwrap();
        let wrong: u32 = seen.bytes().iter().zip(frame(n).bytes()).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((wrong, &seen.bytes()[..14]), (1, &[0; 14][..]));
    }
}

#[test]
fn delay_holds_a_frame_until_it_is_due() {
    let (mut a, mut b) = impaired("delay=20ms");
    a.send(at(100), frame(0)).unwrap();
    a.send(at(105), frame(1)).unwrap();
    assert_eq!((a.deadline(), drain(&mut b, at(105))), (Some(at(120)), vec![]));
    drain(&mut a, at(119));
    assert!(drain(&mut b, at(119)).is_empty());
    drain(&mut a, at(120));
    assert_eq!((drain(&mut b, at(120)), a.deadline()), (vec![0], Some(at(125))));
    drain(&mut a, at(200));
    assert_eq!((drain(&mut b, at(200)), a.deadline()), (vec![1], None));
}

#[test]
fn arriving_frames_are_delayed_too() {
    let (a, mut b) = Cable::pair(CableConfig::default());
    let mut a = Impair::new(a, "delay=10ms".parse().unwrap());
    b.send(at(0), frame(0)).unwrap();
    assert_eq!((drain(&mut a, at(0)), a.deadline()), (vec![], Some(at(10))));
    let seen = a.recv(at(10), &Pool::new()).unwrap().unwrap();
    assert_eq!((seen.time, a.deadline()), (at(10), None));
}

#[test]
fn jitter_keeps_the_order_and_reordering_does_not() {
    let run = |text: &str| {
        let (mut a, mut b) = impaired(text);
        for n in 0..1000 {
            a.send(Instant::from_micros(u64::from(n) * 100), frame(n)).unwrap();
        }
        drain(&mut a, at(10_000));
        drain(&mut b, at(10_000))
    };
    let sorted: Vec<_> = (0..1000).collect();
    assert_eq!(run("delay=10ms,jitter=5ms"), sorted);
    let mut seen = run("reorder=5%,gap=1ms");
    let late = seen.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((20..80).contains(&late), "{late} times out of order");
    seen.sort_unstable();
    assert_eq!(seen, sorted, "none is missing");
}

#[test]
fn a_rate_spaces_frames_out_and_drops_what_its_queue_can_not_hold() {
    // 60 bytes at 48 kbit/s: 10 ms each.
    let (mut a, mut b) = impaired("rate=48kbit,queue=4");
    (0..10).for_each(|n| a.send(at(0), frame(n)).unwrap());
    assert_eq!(notes(&mut a), [(Reason::ImpairQueueFull, 5)]);
    let mut arrivals = Vec::new();
    while let Some(now) = a.deadline() {
        drain(&mut a, now);
        arrivals.extend(drain(&mut b, now).into_iter().map(|n| (now.as_millis(), n)));
    }
    assert_eq!(arrivals, [(10, 0), (20, 1), (30, 2), (40, 3), (50, 4)]);
}

#[test]
fn a_busy_device_under_an_impairment_loses_nothing() {
    let (a, mut b) = Cable::pair(CableConfig::default());
    let (a, switch) = Faulty::new(a);
    let mut a = Impair::outgoing(a, "delay=1ms".parse().unwrap());
    a.send(at(0), frame(0)).unwrap();
    switch.set(Fault::Busy);
    drain(&mut a, at(1));
    assert_eq!(a.deadline(), Some(at(2)), "tried again");
    assert!(matches!(a.send(at(1), frame(1)), Err(SendError::Busy(_))));
    switch.set(Fault::None);
    a.send(at(2), frame(1)).unwrap();
    drain(&mut a, at(3));
    assert_eq!((drain(&mut b, at(3)), a.deadline()), (vec![0, 1], None));
}
