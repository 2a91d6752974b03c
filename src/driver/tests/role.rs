//! The role under every order of events that a seeded scheduler can think of: callers, the background thread and a device are
//! small machines; a step is what happens under one taking of the lock, or the delivery of one nudge.

use std::collections::VecDeque;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Between two calls.
    Outside,
    /// In the loop of a wait, awake.
    Loop(Ticket),
    /// The driver, in poll(2).
    Polling(Ticket),
    /// Without the role, parked.
    Parked(Ticket),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum BackgroundAt {
    Looking,
    Polling,
    Dozing,
    Parked,
}

struct Model {
    role: Role<usize>,
    callers: Vec<At>,
    left: Vec<u32>,
    background: BackgroundAt,
    /// Tokens of unparked threads; the last one is the background thread's.
    tokens: Vec<bool>,
    caller_bell: bool,
    background_bell: bool,
    /// Nudges that a thread has still to deliver.
    outbox: Vec<VecDeque<Nudge<usize>>>,
    /// Packets on the wire, by the socket they are for.
    wire: VecDeque<SocketId>,
    arrived: Vec<u32>,
    to_come: Vec<u32>,
    random: u64,
    /// The host has devices with descriptors. Else nothing arrives but what callers send to each other, and drivers are parked.
    polling: bool,
}

const SOCKETS: usize = 2;
const BACKGROUND: usize = usize::MAX;
const WIRE: usize = usize::MAX - 1;
const SENDER: usize = usize::MAX - 2;

impl Model {
    fn new(callers: usize, waits: u32, seed: u64, background: bool, polling: bool) -> Self {
        let mut role = Role::default();
        if background {
            role.set_background(callers);
        }
        let mut to_come = vec![0; SOCKETS];
        (0..callers).for_each(|c| to_come[c % SOCKETS] += waits);
        Self {
            role,
            callers: vec![At::Outside; callers],
            left: vec![waits; callers],
            background: if background { BackgroundAt::Looking } else { BackgroundAt::Parked },
            tokens: vec![false; callers + 1],
            caller_bell: false,
            background_bell: false,
            outbox: vec![VecDeque::new(); callers + 2],
            wire: VecDeque::new(),
            arrived: vec![0; SOCKETS],
            to_come,
            polling,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    fn draw(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % n
    }

    fn socket(caller: usize) -> SocketId {
        SocketId((caller % SOCKETS) as u64)
    }

    /// A driver's sleep ends.
    fn wakes(&self, bell: bool, thread: usize) -> bool {
        if self.polling { bell || !self.wire.is_empty() } else { self.tokens[thread] }
    }

    fn can_step(&self, who: usize) -> bool {
        if who == WIRE || who == SENDER {
            return self.to_come.iter().any(|n| *n > 0) || !self.outbox[self.callers.len() + 1].is_empty();
        }
        if who == BACKGROUND {
            return match self.background {
                BackgroundAt::Looking => true,
                BackgroundAt::Polling => self.wakes(self.background_bell, self.callers.len()),
                BackgroundAt::Dozing => true,
                BackgroundAt::Parked => self.tokens[self.callers.len()],
            } || !self.outbox[self.callers.len()].is_empty();
        }
        !self.outbox[who].is_empty()
            || match self.callers[who] {
                At::Outside => self.left[who] > 0,
                At::Loop(_) => true,
                At::Polling(_) => self.wakes(self.caller_bell, who),
                At::Parked(_) => self.tokens[who],
            }
    }

    fn deliver(&mut self, outbox: usize) -> bool {
        match self.outbox[outbox].pop_front() {
            Some(Nudge::Thread(thread)) => self.tokens[thread] = true,
            Some(Nudge::CallerBell) => self.caller_bell = true,
            Some(Nudge::BackgroundBell) => self.background_bell = true,
            None => return false,
        }
        true
    }

    fn receive(&mut self) {
        while let Some(socket) = self.wire.pop_front() {
            self.arrived[socket.0 as usize] += 1;
            self.role.wake(socket);
        }
    }

    fn attempt(&mut self, who: usize) -> bool {
        let arrived = &mut self.arrived[who % SOCKETS];
        let success = *arrived > 0;
        if success {
            *arrived -= 1;
            self.left[who] -= 1;
        }
        success
    }

    fn step(&mut self, who: usize) {
        let outbox = match who {
            BACKGROUND => self.callers.len(),
            WIRE | SENDER => self.callers.len() + 1,
            caller => caller,
        };
        if self.deliver(outbox) {
            return;
        }
        match who {
            WIRE | SENDER => {
                let socket = self.draw(SOCKETS);
                if self.to_come[socket] == 0 {
                    return;
                }
                self.to_come[socket] -= 1;
                let id = SocketId(socket as u64);
                if who == WIRE {
                    self.wire.push_back(id);
                } else {
                    self.arrived[socket] += 1;
                    self.role.wake(id);
                }
            }
            BACKGROUND => self.step_background(),
            caller => self.step_caller(caller),
        }
        self.outbox[outbox].extend(self.role.nudges.drain(..));
    }

    fn step_background(&mut self) {
        let polled = self.background == BackgroundAt::Polling;
        self.tokens[self.callers.len()] = false;
        if polled {
            self.background_bell = false;
            if self.role.wake_up(Driver::Background) {
                self.receive();
            }
        }
        self.background = match self.role.background_turn(false) {
            Background::Drive => {
                self.role.fall_asleep(Instant::FAR, self.polling);
                BackgroundAt::Polling
            }
            Background::Doze => BackgroundAt::Dozing,
            Background::Park => BackgroundAt::Parked,
        };
    }

    fn step_caller(&mut self, who: usize) {
        let sockets = [Self::socket(who)];
        match self.callers[who] {
            At::Outside => {
                if !self.attempt(who) {
                    self.callers[who] = At::Loop(self.role.enter(who, &sockets));
                }
            }
            At::Loop(ticket) => {
                if self.role.take_look(ticket) && self.attempt(who) {
                    self.role.leave(ticket, &sockets);
                    self.callers[who] = At::Outside;
                } else if self.role.take(ticket) {
                    self.role.fall_asleep(Instant::FAR, self.polling);
                    self.callers[who] = At::Polling(ticket);
                } else {
                    self.role.park(ticket);
                    self.callers[who] = At::Parked(ticket);
                }
            }
            At::Polling(ticket) => {
                self.caller_bell = false;
                self.tokens[who] = false;
                assert!(self.role.wake_up(Driver::Caller(ticket)), "nobody takes a caller's role away");
                self.receive();
                self.callers[who] = At::Loop(ticket);
            }
            At::Parked(ticket) => {
                self.tokens[who] = false;
                self.role.unpark(ticket);
                self.callers[who] = At::Loop(ticket);
            }
        }
    }

    fn run(mut self, background: bool) {
        let mut actors: Vec<usize> = (0..self.callers.len()).chain([SENDER]).collect();
        actors.extend(self.polling.then_some(WIRE));
        actors.extend(background.then_some(BACKGROUND));
        let mut only_dozed = 0;
        for _ in 0..10_000 {
            if self.left.iter().all(|n| *n == 0) {
                assert_eq!(self.role.waiting(), 0);
                assert!(self.role.by_socket.is_empty() && self.role.parked == 0);
                return;
            }
            let able: Vec<_> = actors.iter().copied().filter(|a| self.can_step(*a)).collect();
            only_dozed = if able.iter().all(|a| *a == BACKGROUND) { only_dozed + 1 } else { 0 };
            assert!(
                !able.is_empty() && only_dozed < 20,
                "all sleep: {:?}, wire {:?}, arrived {:?}, {:?}",
                self.callers,
                self.wire,
                self.arrived,
                self.role
            );
            let chosen = able[self.draw(able.len())];
            self.step(chosen);
        }
        panic!("no end: {:?} {:?}", self.callers, self.role);
    }
}

#[test]
fn no_order_of_events_loses_a_wake_up() {
    for seed in 0..4000 {
        let callers = 1 + seed as usize % 4;
        for (background, polling) in [(false, false), (false, true), (true, false), (true, true)] {
            Model::new(callers, 3, seed, background, polling).run(background);
        }
    }
}

#[test]
fn the_role_goes_to_the_next_waiter_and_then_to_the_background() {
    let mut role = Role::default();
    role.set_background('b');
    assert_eq!(role.background_turn(false), Background::Drive);
    role.fall_asleep(Instant::FAR, true);
    let (x, y) = (SocketId(1), SocketId(2));
    let first = role.enter('1', &[x]);
    assert!(role.take(first));
    assert_eq!(std::mem::take(&mut role.nudges), [Nudge::BackgroundBell]);
    assert!(!role.wake_up(Driver::Background), "it is relieved");
    let second = role.enter('2', &[y]);
    assert!(!role.take(second));
    role.park(second);
    assert_eq!(role.background_turn(false), Background::Doze, "calls came");
    assert_eq!(role.background_turn(false), Background::Park, "and stay");

    role.leave(first, &[x]);
    assert_eq!(std::mem::take(&mut role.nudges), [Nudge::Thread('2')]);
    role.unpark(second);
    assert!(role.take(second));
    role.leave(second, &[y]);
    assert_eq!(std::mem::take(&mut role.nudges), [Nudge::Thread('b')]);
    assert_eq!(role.background_turn(false), Background::Doze, "a call may come soon");
    assert_eq!(role.background_turn(false), Background::Drive);
}

#[test]
fn a_sleeping_driver_hears_of_earlier_deadlines_and_of_its_own_socket() {
    let mut role = Role::default();
    let ticket = role.enter('1', &[SocketId(1)]);
    assert!(role.take(ticket));
    role.fall_asleep(Instant::from_secs(9), true);
    role.due(Instant::from_secs(10));
    role.wake(SocketId(2));
    assert_eq!(role.nudges, []);
    role.due(Instant::from_secs(8));
    role.wake(SocketId(1));
    assert_eq!(role.nudges, [Nudge::CallerBell], "once is enough");
    assert!(role.wake_up(Driver::Caller(ticket)) && role.take_look(ticket) && !role.take_look(ticket));
}
