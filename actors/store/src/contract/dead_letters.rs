//! Rules of dead letters.
#![expect(missing_docs, reason = "a rule is its name")]

use model::{DeadLetter, DeadLetterId, Protocol};

use super::{join_all, sample, walk};
use crate::{PageRequest, Store};

/// Records it, and expects it to be new.
async fn record(store: &impl Store, letter: &DeadLetter) {
    let kept = store.record_dead_letter(letter.clone()).await;
    assert_eq!(kept.as_ref(), Ok(letter));
}

pub async fn a_dead_letter_is_kept_as_it_was_sent(store: &impl Store) {
    let of_16 = sample::dead_letter("CP1", "a");
    let of_2x = DeadLetter {
        protocol: Protocol::Ocpp201,
        action: "TransactionEvent".into(),
        payload: "{ \"as\" :\t\"sent\", \"x\":1e999, \"é\":\"\\u0000\" ".into(),
        number: None,
        ..sample::dead_letter("CP1", "b")
    };
    for letter in [of_16, of_2x] {
        assert_eq!(store.dead_letter(letter.id).await.unwrap(), None);
        record(store, &letter).await;
        assert_eq!(store.dead_letter(letter.id).await.unwrap(), Some(letter));
    }
}

pub async fn a_repeated_dead_letter_is_answered_with_the_first(store: &impl Store) {
    let first = sample::dead_letter("CP1", "a");
    record(store, &first).await;
    let repeat = DeadLetter {
        number: Some(99),
        ..sample::dead_letter("CP1", "a")
    };
    for _ in 0..2 {
        let kept = store.record_dead_letter(repeat.clone()).await;
        assert_eq!(kept.as_ref(), Ok(&first));
    }
    assert_eq!(store.dead_letter(repeat.id).await.unwrap(), None);
    assert_eq!(walk(9, |page| store.dead_letters(page)).await, [first]);
}

pub async fn the_same_letter_sent_many_times_at_once_is_kept_once(store: &impl Store) {
    let sent = (0..20).map(|_| store.record_dead_letter(sample::dead_letter("CP1", "a")));
    let kept = join_all(sent.collect()).await;
    let only = walk(9, |page| store.dead_letters(page)).await;
    assert_eq!(only.len(), 1);
    for letter in kept {
        assert_eq!(letter.as_ref(), Ok(&only[0]));
    }
}

pub async fn stations_may_share_the_key_of_a_dead_letter(store: &impl Store) {
    for station in ["CP1", "CP2"] {
        record(store, &sample::dead_letter(station, "a")).await;
    }
    let all = walk(9, |page| store.dead_letters(page)).await;
    assert_eq!(all.len(), 2);
}

pub async fn dead_letters_come_newest_first_in_pages(store: &impl Store) {
    let mut letters: Vec<DeadLetter> = (0..5)
        .map(|n| sample::dead_letter(["CP1", "CP2"][n % 2], &n.to_string()))
        .collect();
    // Recorded in another order than they were made.
    for n in [3, 0, 4, 1, 2] {
        record(store, &letters[n]).await;
    }
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.id));
    for limit in [1, 2, 5, 9] {
        assert_eq!(
            walk(limit, |page| store.dead_letters(page)).await,
            letters,
            "in pages of {limit}"
        );
    }
    let nowhere = PageRequest {
        limit: 9,
        after: Some("no cursor".into()),
    };
    let page = store.dead_letters(nowhere).await.unwrap();
    assert_eq!((page.items, page.next), (Vec::new(), None));
}

pub async fn a_dead_letter_cursor_stays_valid_while_letters_come_and_go(store: &impl Store) {
    let mut letters: Vec<DeadLetter> = (0..5)
        .map(|n| sample::dead_letter("CP1", &n.to_string()))
        .collect();
    letters.sort_by_key(|letter| letter.id);
    for letter in &letters[..4] {
        record(store, letter).await;
    }
    let first = store.dead_letters(PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items, [letters[3].clone(), letters[2].clone()]);
    record(store, &letters[4]).await;
    // The one the cursor points at goes.
    assert_eq!(store.delete_dead_letter(letters[2].id).await, Ok(true));
    let rest = PageRequest {
        limit: 9,
        after: first.next,
    };
    let rest = store.dead_letters(rest).await.unwrap();
    assert_eq!(rest.items, [letters[1].clone(), letters[0].clone()]);
    assert_eq!(rest.next, None);
}

pub async fn a_forgotten_dead_letter_may_come_again(store: &impl Store) {
    let letter = sample::dead_letter("CP1", "a");
    let other = sample::dead_letter("CP1", "b");
    record(store, &letter).await;
    record(store, &other).await;
    let delete = |id| store.delete_dead_letter(id);
    assert_eq!(delete(DeadLetterId::fresh()).await, Ok(false));
    assert_eq!(delete(letter.id).await, Ok(true));
    assert_eq!(delete(letter.id).await, Ok(false));
    assert_eq!(store.dead_letter(letter.id).await.unwrap(), None);
    let left = walk(9, |page| store.dead_letters(page)).await;
    assert_eq!(left, [other]);
    record(store, &sample::dead_letter("CP1", "a")).await;
}
