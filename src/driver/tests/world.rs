use super::*;

/// Waits for ever.
fn wait(host: &Host) -> Result<Option<()>> {
    crate::driver::Local::new(host.clone())?.here().wait(&[SocketId(77)], None, |_| None)
}

#[test]
fn the_clock_jumps_and_threads_take_turns() {
    let world = World::new(1);
    let host = world.host("a").build().unwrap();
    let log: Arc<Mutex<Vec<(u64, &str)>>> = Arc::default();
    for (name, pause) in [("slow", 3), ("quick", 2)] {
        let log = log.clone();
        world.spawn(&host, move |host| {
            for _ in 0..3 {
                host.sleep(Duration::from_secs(pause)).unwrap();
                log.lock().unwrap().push((host.now().as_millis(), name));
            }
        });
    }
    assert!(log.lock().unwrap().is_empty(), "nothing runs before somebody waits");
    world.run().unwrap();
    let order =
        [(2000, "quick"), (3000, "slow"), (4000, "quick"), (6000, "slow"), (6000, "quick"), (9000, "slow")];
    assert_eq!(*log.lock().unwrap(), order);
    assert_eq!(world.now(), Instant::from_secs(9));
}

#[test]
fn a_visitor_drives_the_world_too() {
    let world = World::new(1);
    let host = world.host("a").build().unwrap();
    let sleeper = world.spawn(&host, |host| host.sleep(Duration::from_secs(3600)));
    host.sleep(Duration::from_secs(10)).unwrap();
    assert_eq!(host.now(), Instant::from_secs(10));
    world.run_for(Duration::from_secs(10)).unwrap();
    assert!(!sleeper.is_finished());
    sleeper.join().unwrap();
    assert_eq!(world.now(), Instant::from_secs(3600));
}

#[test]
fn threads_join_threads() {
    let world = World::new(1);
    let host = world.host("a").build().unwrap();
    let inside = world.clone();
    let outer = world.spawn(&host, move |host| {
        let inner = inside.spawn(&host, |host| {
            host.sleep(Duration::from_millis(5)).unwrap();
            7
        });
        inner.join() + 1
    });
    assert_eq!(outer.join(), 8);
}

#[test]
fn a_deadlock_says_who_waits_for_what() {
    let world = World::new(1);
    let host = world.host("parrot").build().unwrap();
    let waiting = world.spawn(&host, |host| wait(&host).map(drop));
    let error = world.run().unwrap_err();
    assert_eq!(error.errno(), Errno::EDEADLK);
    assert!(error.why().contains("on host parrot, for socket 77"), "{}", error.why());
    assert!(!waiting.is_finished());
}

#[test]
fn the_end_of_a_world_ends_its_threads() {
    let world = World::new(1);
    let host = world.host("a").build().unwrap();
    let (tell, hear) = std::sync::mpsc::channel();
    world.spawn(&host, move |host| tell.send(wait(&host)));
    world.run_for(Duration::from_secs(1)).unwrap();
    drop((world, host));
    let result = hear.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(result.unwrap_err().errno(), Errno::EINTR);
}

#[test]
#[should_panic(expected = "three is too many")]
fn a_panic_surfaces_at_join() {
    let world = World::new(1);
    let host = world.host("a").build().unwrap();
    world.spawn(&host, |_| panic!("three is too many")).join()
}

#[test]
fn a_panic_surfaces_at_run_unless_it_was_joined() {
    for world in [World::new(1), World::real_time(1)] {
        let host = world.host("a").build().unwrap();
        let joined = world.spawn(&host, |_| panic!("joined"));
        assert!(catch_unwind(AssertUnwindSafe(|| joined.join())).is_err());
        world.run().unwrap();
        world.spawn(&host, |_| panic!("not joined"));
        let panic = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_err();
        assert_eq!(words(&*panic), "a spawned thread panicked: not joined");
    }
}

#[test]
fn real_time_is_the_same_to_a_program() {
    let world = World::real_time(1);
    let host = world.host("a").build().unwrap();
    let sleeper = world.spawn(&host, |host| host.sleep(Duration::from_millis(2)).map(|()| host.now()));
    world.run().unwrap();
    assert!(sleeper.join().unwrap() >= Instant::from_millis(2));
}
