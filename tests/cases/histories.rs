//! Seeded fault histories, and that their judge is not blind. Many more:
//! `cargo run --release -p tests --bin histories -- --count 10000 --seed 1`.

use tests::histories::{Findings, Hub, RealHistory, play};

fn first_seed() -> u64 {
    std::env::var("SEED").map_or(1, |seed| seed.parse().expect("SEED is a number"))
}

/// Plays histories of a hub until one is found out; returns its findings.
fn found_out(hub: Hub) -> Option<Findings> {
    (1..200)
        .map(|seed| play(seed, hub))
        .find(|findings| !findings.is_clean())
}

#[test]
fn nothing_acknowledged_is_lost_or_counted_twice() {
    let first = first_seed();
    for seed in first..first + 300 {
        let findings = play(seed, Hub::Honest);
        assert!(findings.is_clean(), "seed {seed}: {findings:?}");
    }
}

#[test]
fn a_hub_that_acknowledges_before_it_stores_is_found_out() {
    assert!(
        found_out(Hub::AcknowledgesEarly)
            .expect("it loses something")
            .lost
            > 0
    );
}

#[test]
fn a_hub_that_knows_a_repeat_by_its_message_id_is_found_out() {
    assert!(found_out(Hub::DedupesByMessageId).is_some());
}

#[test]
fn a_hub_whose_spool_forgets_its_tail_is_found_out() {
    let found = found_out(Hub::DropsSpoolTail).expect("it loses something");
    assert!(found.lost > 0, "{found:?}");
}

#[test]
fn nothing_acknowledged_by_the_real_hub_is_lost_or_counted_twice_when_it_is_killed() {
    let history = RealHistory {
        chargers: Some(20),
        kills: Some(4),
        ..RealHistory::default()
    };
    let seed = first_seed();
    let played = history.play(seed);
    assert!(
        played.findings.is_clean(),
        "seed {seed}: {:?}",
        played.findings
    );
    assert_eq!((played.chargers, played.kills), (20, 4));
    assert!(
        played.acknowledged > 200,
        "too few messages to prove anything: {played:?}"
    );
}

#[cfg(not(feature = "cql"))]
#[test]
fn a_real_hub_whose_disk_forgets_is_found_out() {
    let history = RealHistory {
        chargers: Some(20),
        kills: Some(3),
        forgetful_disk: true,
        ..RealHistory::default()
    };
    assert!(history.play(first_seed()).findings.lost > 0);
}
