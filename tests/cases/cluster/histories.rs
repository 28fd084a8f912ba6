//! Fault histories of hubs that act as one. Many more: `deploy/dev/cql up`, then
//! `env $(deploy/dev/cql env) cargo run --release -p tests --features cql,redis --bin histories -- --real --hubs 3 --count 10`.

use tests::histories::RealHistory;

#[test]
fn nothing_acknowledged_by_hubs_that_act_as_one_is_lost_or_counted_twice() {
    let history = RealHistory {
        hubs: 3,
        chargers: Some(20),
        kills: Some(4),
        ..RealHistory::default()
    };
    let seed = 1;
    let played = history.play(seed);
    assert!(
        played.findings.is_clean(),
        "seed {seed}: {:?}",
        played.findings
    );
    assert!(
        played.acknowledged > 200,
        "too few messages to prove anything: {played:?}"
    );
}
