//! What the role may do.
//!
//! A role that may read and not write looks like any other until the first message comes, and what it lacks only an
//! administrator can give. So whoever opens the store has it [proved](prove) that it may do both. What is refused
//! later is told once, shown for as long as it lasts ([`crate::ScyllaStore::lacking`]), and tried until it is granted.

use std::{sync::Weak, time::Duration};

use metrics::gauge;
use tokio::{sync::watch, time::sleep};

use crate::{
    cql::{Cql, CqlError, Statement},
    metrics as names,
};

/// How often it is tried whether what was refused is granted again. It is once the trial succeeds and nothing else was
/// refused in all that time: rights may be of single tables.
const TRY_EVERY: Duration = Duration::from_secs(3);

/// The lock is in another bucket: nobody ever writes this row.
const READ: Statement = Statement::plain("SELECT owner FROM ks.migration_lock WHERE bucket = -1");
const WRITE: Statement = Statement::plain("DELETE FROM ks.migration_lock WHERE bucket = -1");

/// What a kind of statements asks of the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To read and write rows.
    Rows,
    /// To make tables.
    Tables,
    /// To make the keyspace.
    Keyspaces,
}

/// Changes nothing, and is refused where the role may not read or not write.
pub(crate) async fn prove(cql: &Cql) -> Result<(), CqlError> {
    cql.rows::<(Option<String>,)>(READ, ()).await?;
    cql.write(WRITE, ()).await
}

/// Tells what is refused and when it is granted again, for as long as the connections are there.
pub(crate) async fn watch(cql: Weak<Cql>, mut lacking: watch::Receiver<Option<String>>) {
    gauge!(names::FORBIDDEN).set(0.0);
    while lacking.changed().await.is_ok() {
        let Some(why) = lacking.borrow_and_update().clone() else {
            continue;
        };
        tracing::error!("{why}");
        gauge!(names::FORBIDDEN).set(1.0);
        loop {
            let Some(before) = cql.upgrade().map(|cql| cql.refusals()) else {
                return;
            };
            sleep(TRY_EVERY).await;
            let Some(cql) = cql.upgrade() else {
                return;
            };
            if prove(&cql).await.is_ok() && cql.refusals() == before {
                cql.is_granted();
                break;
            }
        }
        tracing::warn!("the CQL store lets the hub's role do what it has refused");
        gauge!(names::FORBIDDEN).set(0.0);
    }
}

/// Whether the server knows that the role may not: it says the same where it cannot look that up.
pub(crate) fn is_known(says: &str) -> bool {
    !says.starts_with("Unable to perform authorization")
}

/// What was refused, and how an administrator grants it. Who was granted a part of it loses nothing by being granted all.
pub(crate) fn refusal(says: &str, keyspace: &str, role: &str, needs: Needs) -> String {
    let role = role.replace('"', "\"\"");
    let grant = |right: &str, on: &str| format!("GRANT {right} ON {on} TO \"{role}\";");
    let own = format!("KEYSPACE \"{keyspace}\"");
    let grants = match needs {
        Needs::Rows => format!("{} {}", grant("SELECT", &own), grant("MODIFY", &own)),
        Needs::Tables => grant("CREATE", &own),
        Needs::Keyspaces => grant("CREATE", "ALL KEYSPACES"),
    };
    format!(
        "the CQL store refuses role {role} what the hub needs in keyspace {keyspace} ({says}); let an administrator run there: {grants}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_grant_goes_by_what_was_refused() {
        let told = |needs| refusal("User Hub has no …", "net", "Hub", needs);
        let rows = told(Needs::Rows);
        assert!(
            rows.ends_with(
                r#"GRANT SELECT ON KEYSPACE "net" TO "Hub"; GRANT MODIFY ON KEYSPACE "net" TO "Hub";"#
            ),
            "{rows}"
        );
        assert!(rows.contains("(User Hub has no …)"), "{rows}");
        let tables = told(Needs::Tables);
        assert!(
            tables.ends_with(r#"GRANT CREATE ON KEYSPACE "net" TO "Hub";"#),
            "{tables}"
        );
        let keyspaces = told(Needs::Keyspaces);
        assert!(
            keyspaces.ends_with(r#"GRANT CREATE ON ALL KEYSPACES TO "Hub";"#),
            "{keyspaces}"
        );
    }

    #[test]
    fn a_server_that_cannot_look_up_what_is_granted_has_not_refused() {
        assert!(is_known("User hub has no MODIFY permission on <table a.b>"));
        assert!(!is_known(
            "Unable to perform authorization of permissions: Cannot achieve consistency level LOCAL_ONE"
        ));
    }
}
