//! What stations do while they are away is known of them from then on.

use super::*;

#[tokio::test]
async fn the_others_make_room_while_a_station_restarts_that_was_seen_to_lose_its_profiles() {
    for version in [Version::V16, Version::V201] {
        let hub = hub();
        let forgets = Faults {
            forgets_on_reboot: true,
            ..Faults::default()
        };
        let plans = vec![
            ("FORGETS", version, forgets, vec![(6, LONG)]),
            ("GOOD", Version::V201, Faults::default(), vec![(6, LONG)]),
        ];
        let site = Site::start(&hub, 40.0, plans).await;
        let restart = || {
            let reset = json!({"action": "reset", "payload": {"kind": "immediate"}});
            site.api.post("/stations/FORGETS/commands", reset)
        };
        site.until_flows("both charge with half of it", |flows| {
            flows.offered_by("FORGETS") >= 20.0 && flows.offered_by("GOOD") >= 20.0
        })
        .await;
        restart().await;
        site.until("it is told of", |view| {
            alarms(view).contains(&("forgets", "FORGETS"))
        })
        .await;
        restart().await;
        site.until("it is booked at all it can draw once it goes", |view| {
            let outlet = of(view, "FORGETS");
            outlet["online"] == false && outlet["reserved_a"] == MOST_A
        })
        .await;
        site.until("it has its floor again", |view| {
            let outlet = of(view, "FORGETS");
            outlet["online"] == true && outlet["reserved_a"].as_f64() < Some(MOST_A)
        })
        .await;
    }
}
