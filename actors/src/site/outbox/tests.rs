use model::{ConnectorState, RetryKey, SessionId, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const ONE: Heard = Heard {
    epoch: 7,
    number: 1,
};
const TWO: Heard = Heard {
    epoch: 7,
    number: 2,
};

fn node(name: &str) -> NodeAddress {
    NodeAddress {
        name: name.into(),
        address: "127.0.0.1:1".into(),
        incarnation: 1,
    }
}

fn station(id: &str) -> StationId {
    StationId::new(id).unwrap()
}

fn depot() -> SiteId {
    SiteId::new("depot").unwrap()
}

fn facts(name: &str, power_w: f64) -> SessionFacts {
    SessionFacts {
        id: SessionId::of_first(&station("A"), &RetryKey(name.to_owned()), Timestamp(0)),
        transaction: name.to_owned(),
        token: None,
        energy_wh: 0.0,
        power_w,
        draw: None,
        clock: None,
        rests: None,
    }
}

/// An outbox whose owner, at `hub`, has said [`ONE`].
fn open(now: Instant) -> Outbox {
    let mut outbox = Outbox::default();
    let (opening, more) = next(&mut outbox, now).expect("the owner is spoken to first");
    assert_eq!((opening.heard, opening.news.len(), more), (None, 0, false));
    assert!(outbox.is_told(&node("hub"), None, Some(ONE), now));
    outbox
}

fn next(outbox: &mut Outbox, now: Instant) -> Option<(SiteNews, bool)> {
    outbox.next(&depot(), &node("hub"), (now, Timestamp(0)), &mut 10_000)
}

#[test]
fn news_wait_only_for_an_owner_that_was_spoken_to_and_come_in_order() {
    let now = Instant::now();
    let mut outbox = Outbox::default();
    assert!(
        !outbox.put(&station("A"), 1, StationNews::Booted),
        "it tells all then"
    );
    let mut outbox = open(now);
    assert_eq!(next(&mut outbox, now), None, "there is nothing to tell");
    let told = [
        StationNews::Connected(true),
        StationNews::Sessions(vec![(1, facts("one", 0.0))]),
        StationNews::SessionOver(1, facts("one", 0.0).id),
        StationNews::Session(1, Box::new(facts("two", 5.0))),
    ];
    for news in told.clone() {
        assert!(outbox.put(&station("A"), 3, news));
    }
    let (news, more) = next(&mut outbox, now).expect("there is something");
    assert_eq!((news.heard, more), (Some(ONE), false));
    let says = news.news.into_iter().map(|says| (says.epoch, says.news));
    let says: Vec<_> = says.collect();
    assert_eq!(says, told.map(|news| (3, news)));
    assert!(!outbox.is_told(&node("hub"), Some(ONE), Some(ONE), now));
    assert_eq!(next(&mut outbox, now), None);
    let (sign, _) = next(&mut outbox, now + SIGN_OF_LIFE).expect("a sign of life");
    assert_eq!((sign.heard, sign.news.len()), (Some(ONE), 0));
}

#[test]
fn after_a_loss_and_with_another_owner_everything_is_told_anew() {
    let now = Instant::now();
    // The actor there is another, or missed something.
    let mut outbox = open(now);
    outbox.put(&station("A"), 1, StationNews::Booted);
    assert!(outbox.is_told(&node("hub"), Some(ONE), Some(TWO), now));
    assert_eq!(
        next(&mut outbox, now),
        None,
        "what waited is told with the rest"
    );
    // Nobody knows whether it was heard.
    assert!(!outbox.is_told(&node("hub"), Some(TWO), None, now));
    assert!(!outbox.put(&station("A"), 1, StationNews::Booted));
    assert_eq!(next(&mut outbox, now), None, "not at once");
    let (again, _) = next(&mut outbox, now + AGAIN).expect("it is spoken to");
    assert_eq!(again.heard, None);
    // Another node acts for the site; what the one before says is of no interest any more.
    let mut outbox = open(now);
    outbox.put(&station("A"), 1, StationNews::Booted);
    let (first, _) = outbox
        .next(&depot(), &node("other"), (now, Timestamp(0)), &mut 10_000)
        .expect("it is spoken to");
    assert_eq!((first.heard, first.news.len()), (None, 0));
    assert!(!outbox.is_told(&node("hub"), Some(ONE), Some(ONE), now));
    assert!(outbox.is_told(&node("other"), None, Some(TWO), now));
}

#[test]
fn what_is_overtaken_is_left_out_but_for_what_a_meter_said() {
    let now = Instant::now();
    let mut outbox = open(now);
    let read = json!({"at": "2026-11-24T10:00:00Z", "values": [
        {"measurand": "Power.Active.Import", "value": 7_000.0, "unit": "W"}]});
    let read: model::MeterSample = serde_json::from_value(read).expect("a reading");
    let draw = crate::site::Draw::of(&[read]);
    assert!(draw.is_some());
    let first = SessionFacts {
        draw,
        ..facts("one", 1.0)
    };
    let last = facts("one", 2.0);
    for news in [
        StationNews::Connected(false),
        StationNews::State(1, ConnectorState::Available),
        StationNews::Session(1, Box::new(first)),
        StationNews::Connected(true),
        StationNews::State(1, ConnectorState::Charging),
        StationNews::State(2, ConnectorState::Available),
        StationNews::Session(1, Box::new(last.clone())),
    ] {
        outbox.put(&station("A"), 1, news);
    }
    let (news, _) = next(&mut outbox, now).expect("there is something");
    let news: Vec<_> = news.news.into_iter().map(|says| says.news).collect();
    let last = SessionFacts { draw, ..last };
    let expected = [
        StationNews::Connected(true),
        StationNews::State(1, ConnectorState::Charging),
        StationNews::State(2, ConnectorState::Available),
        StationNews::Session(1, Box::new(last)),
    ];
    assert_eq!(news, expected);
}

#[test]
fn a_message_that_is_full_leaves_the_rest_for_the_next_one() {
    let now = Instant::now();
    let mut outbox = open(now);
    for number in 0..100 {
        let news = StationNews::Session(1, Box::new(facts("one", 0.0)));
        outbox.put(&station(&format!("CP-{number}")), 1, news);
    }
    let (mut told, mut messages) = (0, 0);
    while let Some((news, more)) = next(&mut outbox, now) {
        told += news.news.len();
        messages += 1;
        assert!(news.news.len() < 30, "in each about as much as fits");
        assert_eq!(more, told < 100);
    }
    assert_eq!((told, messages > 3), (100, true));
}

#[test]
fn a_station_that_says_too_much_is_not_kept_waiting_for_but_tells_everything_anew() {
    let now = Instant::now();
    let mut outbox = open(now);
    for outlet in 0..=WAITING_MOST {
        let outlet = u32::try_from(outlet).unwrap();
        outbox.put(
            &station("A"),
            1,
            StationNews::State(outlet, ConnectorState::Available),
        );
    }
    let (news, _) = next(&mut outbox, now).expect("the owner is spoken to");
    assert_eq!((news.heard, news.news.len()), (None, 0));
}

proptest! {
    /// Whoever hears what is left of the news sees in the end what it would have seen of all of them.
    #[test]
    fn what_is_left_out_makes_no_difference_in_the_end(
        before in prop::collection::vec(any_news(), 0..5),
        all in prop::collection::vec(any_news(), 0..30),
    ) {
        let mut waiting = Waiting::default();
        for news in &all {
            waiting.put(news.clone());
        }
        let seen = |news: &[StationNews]| {
            let mut picture = super::super::core::Picture::default();
            for one in before.iter().chain(news) {
                picture.take(&station("A"), one);
            }
            picture.view()
        };
        prop_assert_eq!(seen(&waiting.news), seen(&all));
    }
}

fn any_news() -> impl Strategy<Value = StationNews> {
    let evse = 1..3_u32;
    let session = (0..3_usize, 0..3_u8)
        .prop_map(|(name, power)| facts(["one", "two", "three"][name], f64::from(power)));
    let states = [ConnectorState::Available, ConnectorState::Charging];
    let one = (evse.clone(), session.clone());
    prop_oneof![
        any::<bool>().prop_map(StationNews::Connected),
        Just(StationNews::Booted),
        Just(StationNews::Left),
        (evse.clone(), prop::sample::select(states.to_vec()))
            .prop_map(|(evse, state)| StationNews::State(evse, state)),
        one.clone()
            .prop_map(|(evse, facts)| StationNews::Session(evse, Box::new(facts))),
        one.prop_map(|(evse, facts)| StationNews::SessionOver(evse, facts.id)),
        prop::collection::vec((evse, session), 0..3).prop_map(StationNews::Sessions),
    ]
}
