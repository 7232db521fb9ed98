//! Two processes and one vendor bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ghl_sync::apis::highlevel;
use ghl_sync::model::Clock;
use ghl_sync::net::{Purpose, Reach};
use ghl_sync::run::World;
use ghl_sync::store::Store;

use crate::rig::{Rig, settings};

/// Calls of each process.
const CALLS: u64 = 300;
/// How many times faster than the real vendor: 5,000 calls in ten seconds, one in 2 ms.
const SPEED: f64 = 50.0;
/// The calls at the start that are not measured: the gates still learn how fast the vendor lets them be.
const LEARNING: usize = 200;

/// Makes one process's calls, and counts them as they are answered.
async fn call(world: &World, answered: &AtomicU64) {
    let call = highlevel::location(&world.hub.location);
    let begun = AtomicU64::new(0);
    let worker = async || {
        while begun.fetch_add(1, Ordering::SeqCst) < CALLS {
            let answer = world.hub_line.send(&call, Purpose::Announced).await;
            answer.unwrap();
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (a, b, c, d, e) = (worker(), worker(), worker(), worker(), worker());
    tokio::join!(a, b, c, d, e);
}

#[tokio::test]
async fn two_processes_share_one_bucket_without_a_violation_and_neither_starves() {
    let mut rig = Rig::new(ghl_sync::sandbox::Settings {
        speed: SPEED,
        ..settings(1, 1)
    })
    .await;
    // The vendor's window is one of real time, so this clock really waits.
    rig.clock = Clock::starting_at(rig.sandbox.now(), rig.sandbox.clock_offset(), None);
    let first = rig.world(Reach::Everything);
    let other = Store::open(&rig.state()).unwrap();
    let second = rig.world_on(other, Reach::Everything);
    let counts = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let least = AtomicU64::new(CALLS);
    let finish = async |world: &World, own: usize| {
        call(world, &counts[own]).await;
        least.fetch_min(counts[1 - own].load(Ordering::SeqCst), Ordering::SeqCst);
    };
    tokio::join!(finish(&first, 0), finish(&second, 1));

    assert_eq!(rig.sandbox.too_many(), 0);
    let calls = rig.sandbox.calls();
    assert_eq!(calls.len() as u64, 2 * CALLS);
    assert!(
        calls.iter().all(|call| call.status == 200),
        "some calls were refused"
    );
    let least = least.load(Ordering::SeqCst);
    assert!(
        least >= CALLS / 4,
        "when one process was through, the other had {least} of {CALLS} calls"
    );

    // Waiting for the machine makes this longer, never shorter; two gates that do not know of each other take half of it.
    let took = calls[calls.len() - 1].at - calls[LEARNING].at;
    let measured = u32::try_from(calls.len() - LEARNING).unwrap();
    let allowed = Duration::from_secs_f64(10.0 / (100.0 * SPEED)) * measured;
    assert!(
        took >= allowed * 9 / 10,
        "{measured} calls took {took:?}, which the vendor allows in {allowed:?}"
    );
}
