//! API keys: how one is made, and how a request is found to come from its holder.
//!
//! A key is `swk_` and 32 random bytes in base64url. Only its SHA-256 is kept, and keys are looked up
//! by that hash through an index: no secret is ever compared, so no comparison can leak one. A key
//! that was found is remembered for [`REMEMBERED_MS`], so a request is not a disk read, and a key
//! deleted by another process is refused after that time at the latest. While the store cannot be read, operators look
//! what goes on: keys that were good within [`TRUSTED_MS`] are still good then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use actors::Clock;
use axum::http::HeaderValue;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use model::{ApiKey, Role, Timestamp};
use sha2::{Digest, Sha256};
use store::Store;

use super::{limits::Limiter, problem::Problem};

const KEY_START: &str = "swk_";
const KEY_RANDOM_BYTES: usize = 32;
const PREFIX_CHARS: usize = KEY_START.len() + 8;
const REMEMBERED_MS: i64 = 3_000;
const TRUSTED_MS: i64 = 3_600_000;
const MOST_REMEMBERED: usize = 1024;

/// A fresh key: the secret, to be shown once, and what is kept of it.
pub fn new_key(role: Role, name: &str, now: Timestamp) -> (String, ApiKey) {
    let random: [u8; KEY_RANDOM_BYTES] = rand::random();
    let secret = format!("{KEY_START}{}", BASE64_URL_SAFE_NO_PAD.encode(random));
    let kept = ApiKey {
        prefix: secret[..PREFIX_CHARS].to_owned(),
        sha256: hex(&hash(&secret)),
        role,
        name: name.to_owned(),
        created_at: now,
    };
    (secret, kept)
}

/// Whose request it is.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The prefix of the key it came with.
    pub(crate) prefix: Arc<str>,
    /// What that key may do.
    pub(crate) role: Role,
}

/// The keys, as requests see them.
pub(crate) struct KeyRing {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
}

struct Remembered {
    caller: Caller,
    at: Timestamp,
}

impl KeyRing {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            remembered: Mutex::default(),
        }
    }

    /// Whose request it is, by its `Authorization` header.
    pub(crate) async fn caller(
        &self,
        authorization: Option<&HeaderValue>,
        limiter: &Limiter,
    ) -> Result<Caller, Problem> {
        let secret = bearer(authorization)?;
        let hash = hash(secret);
        match self.recall(&hash) {
            Recall::Fresh(caller) => return Ok(caller),
            // It was good a moment ago, so asking again is not guessing.
            Recall::Old => {}
            Recall::Never => limiter.unknown_key()?,
        }
        match self.store.api_key(&hex(&hash)).await {
            Ok(Some(key)) => Ok(self.remember(hash, &key)),
            Err(error) => match self.younger_than(TRUSTED_MS, &hash) {
                Some(caller) => Ok(caller),
                None => Err(error.into()),
            },
            Ok(None) => {
                self.lock().remove(&hash);
                Err(Problem::unauthorized(
                    "this API key is not known (any more); `hub api-key create` makes one",
                ))
            }
        }
    }

    /// Forgets the keys of that prefix: they were deleted.
    pub(crate) fn forget(&self, prefix: &str) {
        self.lock()
            .retain(|_, known| *known.caller.prefix != *prefix);
    }

    fn recall(&self, hash: &[u8; 32]) -> Recall {
        match self.younger_than(REMEMBERED_MS, hash) {
            Some(caller) => Recall::Fresh(caller),
            None if self.lock().contains_key(hash) => Recall::Old,
            None => Recall::Never,
        }
    }

    /// The holder of a key that was found less than so long ago.
    fn younger_than(&self, most_ms: i64, hash: &[u8; 32]) -> Option<Caller> {
        let remembered = self.lock();
        let known = remembered.get(hash)?;
        // A clock that was set back makes an age negative: such an entry is old, too.
        let is_young = (0..most_ms).contains(&self.clock.now().ms_since(known.at));
        is_young.then(|| known.caller.clone())
    }

    fn remember(&self, hash: [u8; 32], key: &ApiKey) -> Caller {
        let caller = Caller {
            prefix: key.prefix.as_str().into(),
            role: key.role,
        };
        let mut remembered = self.lock();
        if remembered.len() >= MOST_REMEMBERED && !remembered.contains_key(&hash) {
            remembered.clear();
        }
        remembered.insert(
            hash,
            Remembered {
                caller: caller.clone(),
                at: self.clock.now(),
            },
        );
        caller
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Remembered>> {
        // A panic in another request leaves the map whole: every change to it is one call.
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

enum Recall {
    Fresh(Caller),
    Old,
    Never,
}

/// The key in an `Authorization` header, if it could be one at all: what could not is refused here,
/// without a look-up.
fn bearer(authorization: Option<&HeaderValue>) -> Result<&str, Problem> {
    let Some(header) = authorization else {
        return Err(Problem::unauthorized(
            "send an API key: `Authorization: Bearer swk_…`; `hub api-key create` makes one",
        ));
    };
    let malformed = || {
        Problem::unauthorized(
            "the Authorization header does not hold an API key; it reads `Bearer swk_…`",
        )
    };
    let (scheme, secret) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(malformed)?;
    let random = secret.strip_prefix(KEY_START).ok_or_else(malformed)?;
    let length = BASE64_URL_SAFE_NO_PAD
        .decode(random)
        .map_err(|_| malformed())?
        .len();
    if !scheme.eq_ignore_ascii_case("bearer") || length != KEY_RANDOM_BYTES {
        return Err(malformed());
    }
    Ok(secret)
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String does not fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use actors::ManualClock;
    use store::{ApiKeyStore, MemoryStore, ReadError};

    use super::*;
    use crate::api::RateLimits;

    /// A store that is away at times.
    #[derive(Default)]
    struct AtTimes {
        behind: MemoryStore,
        is_away: AtomicBool,
    }

    impl AtTimes {
        fn there(&self) -> Result<&MemoryStore, ReadError> {
            match self.is_away.load(Ordering::SeqCst) {
                true => Err(ReadError("away".to_owned())),
                false => Ok(&self.behind),
            }
        }
    }

    store::delegate! {
        StationStore, SiteStore, PowerStore, CdrStore, TokenStore, SessionStore, NoticeStore, CommandStore,
        DeadLetterStore, MessageStore, ApiKeyStore for AtTimes;
        read |this| this.there()?;
        write |this| &this.behind;
    }

    #[tokio::test]
    async fn a_key_that_was_good_within_the_hour_is_good_while_the_store_is_away() {
        let store = Arc::new(AtTimes::default());
        let clock = Arc::new(ManualClock::at(Timestamp(1_764_000_000_000)));
        let ring = KeyRing::new(store.clone(), clock.clone());
        let limiter = Limiter::new(&RateLimits::new(1_000));
        let mut headers = Vec::new();
        for name in ["used", "unused"] {
            let (secret, kept) = new_key(Role::Viewer, name, clock.now());
            store.create_api_key(kept).await.unwrap();
            headers.push(HeaderValue::from_str(&format!("Bearer {secret}")).unwrap());
        }
        let is_good = async |header| ring.caller(Some(header), &limiter).await.is_ok();
        assert!(is_good(&headers[0]).await);
        store.is_away.store(true, Ordering::SeqCst);
        clock.advance_ms(TRUSTED_MS - 1);
        assert!(is_good(&headers[0]).await);
        assert!(!is_good(&headers[1]).await, "nobody knows it");
        clock.advance_ms(1);
        assert!(!is_good(&headers[0]).await);
        store.is_away.store(false, Ordering::SeqCst);
        assert!(is_good(&headers[0]).await && is_good(&headers[1]).await);
    }

    #[test]
    fn of_a_key_only_prefix_and_hash_are_kept() {
        let (secret, kept) = new_key(Role::Operator, "dashboard", Timestamp(1));
        assert!(secret.starts_with(&kept.prefix) && kept.prefix.len() == PREFIX_CHARS);
        assert_eq!(kept.sha256, hex(&hash(&secret)));
        assert!(!format!("{kept:?}").contains(&secret[PREFIX_CHARS..]));
        assert_ne!(secret, new_key(Role::Operator, "dashboard", Timestamp(1)).0);
    }

    #[test]
    fn the_hash_is_sha256_in_lower_case_hexadecimal() {
        assert_eq!(
            hex(&hash("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
