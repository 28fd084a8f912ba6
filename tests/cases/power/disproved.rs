//! What a station's meter showed against it: neither a schedule that agrees nor its next session takes that back.

use super::{pretender::Pretender, *};

#[tokio::test]
async fn what_a_meter_showed_is_taken_back_by_no_schedule_that_agrees_and_by_no_other_session() {
    let hub = hub();
    let good = ("GOOD", Version::V16, Faults::default(), vec![(6, LONG)]);
    let site = Site::start(&hub, 40.0, vec![good]).await;
    let station = json!({"id": "BAD", "site": "depot"});
    site.api.post("/stations", station).await;
    let plan = json!({"sharing": "fair", "grid": {
        "name": "grid", "breaker_a": [40, 40, 40], "outlets": [outlet("GOOD"), outlet("BAD")],
    }});
    let path = "/sites/depot/power";
    site.api.ok(Method::PUT, path, Some(plan)).await;
    let mut bad = Pretender::connect(&hub, "BAD").await;
    bad.shows(1).await;
    // What is seen before may be what a hub before this one granted.
    site.until("the site has learned", |view| {
        view["learns_until"].is_null()
    })
    .await;
    let is_known = |view: &Value| {
        alarms(view).contains(&("overdrawn", "BAD")) && of(view, "BAD")["reserved_a"] == MOST_A
    };
    let transaction = bad.begins().await;
    let started = Instant::now();
    while !is_known(&site.live().await) {
        assert!(started.elapsed() < PATIENCE, "{:#}", site.live().await);
        bad.draws(&transaction, 31.0).await;
        sleep(Duration::from_millis(100)).await;
    }
    // Its meter falls silent; it is asked for its schedule each lease, which is what it was told.
    bad.shows(3).await;
    let view = site.live().await;
    assert!(is_known(&view), "a schedule clears no meter: {view:#}");

    bad.ends(&transaction).await;
    let is_over = |view: &Value| of(view, "BAD")["session"].is_null();
    let view = site.until("its session is over", is_over).await;
    assert!(is_known(&view), "nor does the end of a session: {view:#}");

    bad.begins().await;
    bad.shows(2).await;
    let view = site.live().await;
    assert!(!is_over(&view), "{view:#}");
    assert!(is_known(&view), "nor another session: {view:#}");
    assert!(
        of(&view, "GOOD")["granted_a"].as_f64() <= Some(8.0),
        "{view:#}"
    );
}
