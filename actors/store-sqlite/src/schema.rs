//! The numbered changes that make the schema. Each is applied once, in one transaction, and never
//! edited afterwards: a change to the schema is a new file and a line below.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::OpenError;

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("migrations/0001_init.sql")),
    (2, include_str!("migrations/0002_dead_letters.sql")),
    (3, include_str!("migrations/0003_site_power.sql")),
    (4, include_str!("migrations/0004_cdrs.sql")),
];

/// Brings the database to the newest version known here.
pub(crate) fn migrate(db: &mut Connection, path: &Path) -> Result<(), OpenError> {
    migrate_by(db, path, MIGRATIONS)
}

fn migrate_by(
    db: &mut Connection,
    path: &Path,
    migrations: &[(i64, &str)],
) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let known = migrations.last().map_or(0, |(version, _)| *version);
    let found = applied(db, path)?;
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_path_buf(),
            found,
            known,
        });
    }
    for (version, sql) in migrations {
        // Another process may open the same file now: who gets the lock second finds it done.
        let change = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        if applied(&change, path)? >= *version {
            continue;
        }
        change
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS migrations (
                     version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT",
            )
            .and_then(|()| change.execute_batch(sql))
            .and_then(|()| {
                let insert = "INSERT INTO migrations VALUES (?1, unixepoch())";
                change.execute(insert, [version])
            })
            .and_then(|_| change.commit())
            .map_err(failed)?;
    }
    Ok(())
}

/// The newest version applied; 0 for an empty database.
fn applied(db: &Connection, path: &Path) -> Result<i64, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let ours = "SELECT count(*) FROM sqlite_master WHERE name = 'migrations'";
    if count(ours).map_err(failed)? == 1 {
        return count("SELECT ifnull(max(version), 0) FROM migrations").map_err(failed);
    }
    if count("SELECT count(*) FROM sqlite_master").map_err(failed)? > 0 {
        return Err(OpenError::NotOurs(path.to_path_buf()));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD_COLUMN: &str = "ALTER TABLE sites ADD COLUMN address TEXT";

    /// All changes and one that is not known here.
    fn and_next(sql: &'static str) -> Vec<(i64, &'static str)> {
        let mut changes = MIGRATIONS.to_vec();
        changes.push((newest() + 1, sql));
        changes
    }

    fn newest() -> i64 {
        MIGRATIONS[MIGRATIONS.len() - 1].0
    }

    #[test]
    fn versions_rise_one_by_one() {
        for pair in MIGRATIONS.windows(2) {
            assert_eq!(pair[0].0 + 1, pair[1].0);
        }
        assert_eq!(MIGRATIONS[0].0, 1);
    }

    #[test]
    fn each_change_is_applied_once() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("hub.db");
        migrate_by(&mut db, path, &MIGRATIONS[..1]).unwrap();
        migrate(&mut db, path).unwrap();
        migrate(&mut db, path).unwrap();
        assert_eq!(applied(&db, path).unwrap(), newest());
        migrate_by(&mut db, path, &and_next(ADD_COLUMN)).unwrap();
        assert_eq!(applied(&db, path).unwrap(), newest() + 1);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("hub.db");
        migrate_by(&mut db, path, &and_next(ADD_COLUMN)).unwrap();
        let refused = migrate(&mut db, path).unwrap_err().to_string();
        let found = format!("version {}", newest() + 1);
        assert!(refused.contains(&found), "{refused}");
    }

    #[test]
    fn a_change_that_fails_leaves_nothing_behind() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("hub.db");
        let broken = and_next("CREATE TABLE half (x); CREATE TABLE sites (x)");
        migrate_by(&mut db, path, &broken).unwrap_err();
        assert_eq!(applied(&db, path).unwrap(), newest());
        assert!(db.prepare("SELECT * FROM half").is_err());
    }
}
