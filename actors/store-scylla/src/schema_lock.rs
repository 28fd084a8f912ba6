//! Who changes the schema: one hub at a time, by a lock that ends by itself where its holder was killed.

use std::time::Duration;

use model::Timestamp;
use tokio::time::{Instant, sleep};

use crate::{
    OpenError,
    cql::{Cql, CqlError, Statement},
    numbers,
};

pub(crate) const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS ks.migration_lock (bucket int PRIMARY KEY, owner text)";

const LOCK: Statement = Statement::once(
    "INSERT INTO ks.migration_lock (bucket, owner) VALUES (0, ?) IF NOT EXISTS USING TTL ?",
);
const HOLDER: Statement = Statement::serial(
    "SELECT owner, TTL(owner), WRITETIME(owner) FROM ks.migration_lock WHERE bucket = 0",
);
const RENEW: Statement = Statement::once(
    "UPDATE ks.migration_lock USING TTL ? SET owner = ? WHERE bucket = 0 IF owner = ?",
);
const UNLOCK: Statement =
    Statement::once("DELETE FROM ks.migration_lock WHERE bucket = 0 IF owner = ?");

/// The lock of a hub that died is free after this.
const LOCK_S: i32 = 60;
/// How long to wait for another hub to get done.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The lock, held until it is released or not renewed for [`LOCK_S`].
pub(crate) struct SchemaLock {
    /// Whose it is, for the others: the row says no more.
    owner: String,
}

impl SchemaLock {
    /// Waits for the lock, and says for whom.
    pub(crate) async fn take(cql: &Cql, keyspace: &str, hub: &str) -> Result<Self, OpenError> {
        let failed = |error: CqlError| error.of_opening(keyspace);
        let until = Instant::now() + PATIENCE;
        let mut told = None;
        loop {
            let owner = format!("{hub}, since {}", numbers::now());
            let taken = once_known(|| cql.once(LOCK, (owner.as_str(), LOCK_S))).await;
            if taken.map_err(failed)? {
                return Ok(Self { owner });
            }
            let holder = once_known(|| cql.row::<Holder>(HOLDER, ())).await;
            let holder = holder.map_err(failed)?;
            if Instant::now() > until {
                return Err(OpenError::Locked {
                    keyspace: keyspace.to_owned(),
                    owner: holder.map_or_else(String::new, |(owner, ..)| owner),
                });
            }
            if let Some(holder) = holder.filter(|(owner, ..)| told.as_ref() != Some(owner)) {
                tracing::warn!(keyspace, "{}", in_words(&holder));
                told = Some(holder.0);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Keeps it for as long again; an error where another has it.
    pub(crate) async fn renew(&self, cql: &Cql) -> Result<(), CqlError> {
        let owner = self.owner.as_str();
        match cql.once(RENEW, (LOCK_S, owner, owner)).await? {
            true => Ok(()),
            false => Err(CqlError::unreadable(
                &"another hub has taken the lock while this one changed the schema",
            )),
        }
    }

    /// Lets the next one have it.
    pub(crate) async fn release(self, cql: &Cql) -> Result<(), CqlError> {
        cql.once(UNLOCK, (self.owner,)).await.map(drop)
    }
}

/// Does what names a keyspace, tables or columns again for as long as a node does not know them: another hub that
/// was started with this one may just be making them, and nobody needs the lock for those of the lock itself. Waits no
/// longer than for the lock.
pub(crate) async fn once_known<T, F>(mut act: impl FnMut() -> F) -> Result<T, CqlError>
where
    F: Future<Output = Result<T, CqlError>>,
{
    let until = Instant::now() + PATIENCE;
    let mut is_told = false;
    loop {
        match act().await {
            Err(error) if error.is_of_a_name() && Instant::now() < until => {
                if !is_told {
                    tracing::info!(%error, "waits for what another hub may just be making in the keyspace");
                }
                is_told = true;
                sleep(LOOK_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whose the lock is, how many s it lasts if it is not renewed, and when it was taken or renewed (µs since 1970).
type Holder = (String, Option<i32>, i64);

fn in_words((owner, left_s, renewed_us): &Holder) -> String {
    let renewed = Timestamp(renewed_us / 1000);
    let ends = match left_s {
        Some(left_s) => format!(
            "if that one was killed, its lock ends at {}",
            numbers::now().plus_ms(i64::from(*left_s) * 1000)
        ),
        None => {
            "that lock does not end by itself: if no hub has it, delete the row of migration_lock"
                .to_owned()
        }
    };
    format!(
        "the schema is being changed by another hub ({owner}; its lock was last renewed at {renewed}); this one waits for it. {ends}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_for_whom_since_when_and_for_how_long() {
        let holder = ("process 7 on a".to_owned(), Some(60), 1_000_000);
        let said = in_words(&holder);
        assert!(
            said.contains("process 7 on a") && said.contains("1970-01-01T00:00:01"),
            "{said}"
        );
        assert!(said.contains("ends at 20"), "{said}");
        let for_ever = in_words(&(String::new(), None, 0));
        assert!(for_ever.contains("does not end by itself"), "{for_ever}");
    }
}
