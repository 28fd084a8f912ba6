//! What a hub cannot see at once: clocks that are behind, meters that say nothing of use, outlets that nobody planned.

use super::*;

#[tokio::test]
async fn a_station_whose_clock_is_behind_falls_to_its_floor_no_later_than_others() {
    let mut hub = hub();
    let behind = Faults {
        clock_behind: Duration::from_secs(120),
        ..Faults::default()
    };
    let plans = vec![
        ("A", Version::V16, behind, vec![(6, LONG)]),
        ("B", Version::V201, behind, vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 50.0, plans).await;
    site.until_flows("both charge with half of it", |flows| {
        flows.offered_by("A") >= 25.0 && flows.offered_by("B") >= 25.0
    })
    .await;
    let view = site.live().await;
    assert!(alarms(&view).is_empty(), "{view:#}");
    let measured = &of(&view, "A")["measured_a"];
    assert!(measured.is_array(), "its readings are of now: {view:#}");
    hub.kill();
    let took = site
        .until_flows("the floors hold", |flows| {
            flows.offered_a() <= 2.0 * FLOOR_A
        })
        .await;
    let lease = Duration::from_millis(LEASE_MS);
    assert!(took < lease + Duration::from_secs(5), "{took:?}");
}
