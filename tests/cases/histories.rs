//! Seeded fault histories, and that their judge is not blind. Many more:
//! `cargo run --release -p tests --bin histories -- --count 10000 --seed 1`.

use tests::histories::{Findings, Hub, play};

/// Plays histories of a hub until one is found out; returns its findings.
fn found_out(hub: Hub) -> Option<Findings> {
    (1..200)
        .map(|seed| play(seed, hub))
        .find(|findings| !findings.is_clean())
}

#[test]
fn nothing_acknowledged_is_lost_or_counted_twice() {
    let first: u64 =
        std::env::var("SEED").map_or(1, |seed| seed.parse().expect("SEED is a number"));
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
