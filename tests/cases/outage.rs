//! Charging goes on while the CQL server is away. Each kills the server that the other cases use, so they are
//! run by name: `./test cql`.

use std::time::Duration;

use tests::histories::RealHistory;

#[test]
#[ignore = "kills the server that the others use"]
fn charging_and_acknowledging_go_on_while_the_server_is_away_and_all_of_it_is_there_afterwards() {
    let seed = rand::random();
    let history = RealHistory {
        chargers: Some(30),
        kills: Some(2),
        outages: 2,
        outage: Some(Duration::from_secs(4)),
        ..RealHistory::default()
    };
    let played = history.play(seed);
    assert!(
        played.findings.is_clean(),
        "seed {seed}: {:?}",
        played.findings
    );
    assert!(
        played.acknowledged_in_outages > 100,
        "seed {seed}: too few messages to prove anything: {played:?}"
    );
}
