//! The numbered changes that make the schema. Each is applied once, under a lock that ends by itself
//! ([`schema_lock`]), and never edited afterwards: a change to the schema is a new file and a line below.
//!
//! CQL has no transactions for this, so a change that was interrupted is done again from its beginning: write
//! statements that may be (`IF NOT EXISTS`). A semicolon ends a statement and stands nowhere else.

use crate::{
    OpenError,
    cql::{Cql, CqlError, Statement},
    permission::Needs,
    schema_lock::{self, SchemaLock, once_known},
};

const MIGRATIONS: &[(i32, &str)] = &[
    (1, include_str!("migrations/0001_init.cql")),
    (2, include_str!("migrations/0002_site_power.cql")),
    (3, include_str!("migrations/0003_unfinished_copy.cql")),
    (4, include_str!("migrations/0004_cdrs.cql")),
];

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS ks.migrations (
         bucket int, version int, applied_by text, PRIMARY KEY (bucket, version))",
    schema_lock::TABLE,
];
const HAS_TABLE: Statement = Statement::plain(
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'migrations'",
);
const APPLIED: Statement = Statement::serial("SELECT version FROM ks.migrations WHERE bucket = 0");
const NOTE: Statement = Statement::once(
    "INSERT INTO ks.migrations (bucket, version, applied_by) VALUES (0, ?, ?) IF NOT EXISTS",
);

/// Brings the keyspace to the newest version known here. `hub`: who does it, in words for others.
pub(crate) async fn migrate(cql: &Cql, keyspace: &str, hub: &str) -> Result<(), OpenError> {
    let failed = |error: CqlError| error.of_opening(keyspace);
    let known = MIGRATIONS.last().map_or(0, |(version, _)| *version);
    if is_done(
        applied(cql, keyspace).await.map_err(failed)?,
        known,
        keyspace,
    )? {
        return Ok(());
    }
    for table in TABLES {
        let made = once_known(|| cql.change(table, Needs::Tables)).await;
        made.map_err(failed)?;
    }
    let lock = SchemaLock::take(cql, keyspace, hub).await?;
    // Whoever had the lock may have done it.
    let found = applied(cql, keyspace).await.map_err(failed)?;
    let outcome = match is_done(found, known, keyspace) {
        Ok(false) => apply(cql, hub, &lock, found).await.map_err(failed),
        other => other.map(drop),
    };
    outcome.and(lock.release(cql).await.map_err(failed))
}

/// Whether all is applied that is known here.
fn is_done(found: i32, known: i32, keyspace: &str) -> Result<bool, OpenError> {
    if found > known {
        return Err(OpenError::Newer {
            keyspace: keyspace.to_owned(),
            found,
            known,
        });
    }
    Ok(found == known)
}

async fn apply(cql: &Cql, hub: &str, lock: &SchemaLock, found: i32) -> Result<(), CqlError> {
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        for statement in statements(text) {
            lock.renew(cql).await?;
            once_known(|| cql.change(&statement, Needs::Tables)).await?;
        }
        once_known(|| cql.once(NOTE, (*version, hub))).await?;
    }
    Ok(())
}

/// The newest version applied; 0 for an empty keyspace.
async fn applied(cql: &Cql, keyspace: &str) -> Result<i32, CqlError> {
    let table: Option<(String,)> = cql.row(HAS_TABLE, (keyspace,)).await?;
    if table.is_none() {
        return Ok(0);
    }
    let versions: Vec<(i32,)> = once_known(|| cql.rows(APPLIED, ())).await?;
    Ok(versions
        .into_iter()
        .map(|(version,)| version)
        .max()
        .unwrap_or(0))
}

/// The statements of a file, without comments.
fn statements(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let statements = text.split(';').map(str::trim);
    statements
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_one_by_one() {
        for pair in MIGRATIONS.windows(2) {
            assert_eq!(pair[0].0 + 1, pair[1].0);
        }
        assert_eq!(MIGRATIONS[0].0, 1);
    }

    #[test]
    fn every_statement_may_be_done_again() {
        for (version, text) in MIGRATIONS {
            for statement in statements(text) {
                assert!(
                    statement.contains("IF NOT EXISTS"),
                    "{version}: {statement}"
                );
            }
        }
    }

    #[test]
    fn comments_are_no_statements() {
        let text = "-- one; two\nCREATE a;\n\n  -- three\nCREATE\nb;\n";
        assert_eq!(statements(text), ["CREATE a", "CREATE\nb"]);
    }

    /// No counters, views, secondary indexes or CDC: they are not the same, or not there, on the servers
    /// this is to run on.
    #[test]
    fn only_what_all_servers_have_is_used() {
        for (_, text) in MIGRATIONS {
            for statement in statements(text) {
                let words = statement.to_lowercase();
                for word in [
                    " counter",
                    "materialized",
                    "create index",
                    "custom index",
                    "cdc",
                ] {
                    assert!(!words.contains(word), "{word} in {statement}");
                }
            }
        }
    }
}
