//! Panics on demand, in test builds only (feature `chaos`): how the promise that a panic costs at most
//! one message is proven from outside, over a real socket.
//!
//! A token whose uid is `!panic-<where>` panics the actor at `<where>` (charger, session) each time;
//! `!panic-<where>-once-<anything>` the first time only, `-twice-` the first two times. A site of such a
//! name panics when it is looked at, the supervisor of a station called `!panic-shard…` when it starts it.

use std::{collections::HashMap, sync::Mutex};

use model::TokenRef;

static DONE: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// Panics if the token asks for it at this place.
pub(crate) fn panic_if_asked(place: &str, token: Option<&TokenRef>) {
    if let Some(token) = token {
        panic_if_named(place, token.uid.as_str());
    }
}

/// Panics if the name asks for it at this place.
pub(crate) fn panic_if_named(place: &str, name: &str) {
    let Some(asked) = name.strip_prefix("!panic-") else {
        return;
    };
    let Some(rest) = asked.strip_prefix(place) else {
        return;
    };
    let most = match rest {
        rest if rest.starts_with("-once-") => 1,
        rest if rest.starts_with("-twice-") => 2,
        _ => u32::MAX,
    };
    let mut done = DONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let times = done
        .get_or_insert_default()
        .entry(asked.to_owned())
        .or_default();
    if *times >= most {
        return;
    }
    *times += 1;
    drop(done);
    panic!("chaos: asked to panic in {place}");
}
