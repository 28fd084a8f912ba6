//! A store on the CQL server that `deploy/dev/cql up` started, empty for each test. Tests of one file
//! share a keyspace (making one takes longer than most tests), so they run one after the other.

use std::{ops::Deref, sync::LazyLock, time::Duration};

use scylla::client::{session::Session, session_builder::SessionBuilder};
use store_scylla::{Options, ScyllaStore};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, MutexGuard, OnceCell},
};

/// What a test gets.
pub(crate) struct Opened {
    store: ScyllaStore,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Opened {
    type Target = ScyllaStore;

    fn deref(&self) -> &ScyllaStore {
        &self.store
    }
}

/// How to reach the keyspace of these tests.
pub(crate) fn options(keyspace: &str) -> Options {
    let points = std::env::var("CQL_CONTACT_POINTS")
        .expect("CQL_CONTACT_POINTS names a CQL server: run ./test cql, or deploy/dev/cql up");
    let contact_points: Vec<String> = points.split(',').map(str::to_owned).collect();
    Options {
        create_with_replicas: Some(u32::try_from(contact_points.len()).expect("few")),
        contact_points,
        keyspace: keyspace.to_owned(),
        request_timeout: Duration::from_secs(5),
        ..Options::default()
    }
}

/// An empty store.
pub(crate) async fn empty(keyspace: &'static str) -> Opened {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let store = ScyllaStore::open(&options(keyspace)).await;
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    // Its connections outlive a test's runtime.
    let emptied = JANITOR.spawn(truncate(keyspace)).await;
    emptied.expect("the tables can be emptied");
    Opened {
        store,
        _alone: alone,
    }
}

static JANITOR: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Empties the tables that hold anything.
async fn truncate(keyspace: &'static str) {
    static SESSION: OnceCell<Session> = OnceCell::const_new();
    let connect = async || {
        SessionBuilder::new()
            .known_nodes(options("").contact_points)
            .build()
            .await
            .expect("the server is there")
    };
    let session = SESSION.get_or_init(connect).await;
    let tables = session
        .query_unpaged(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?",
            (keyspace,),
        )
        .await
        .expect("the schema can be read")
        .into_rows_result()
        .expect("rows");
    for row in tables.rows::<(String,)>().expect("names") {
        let (table,) = row.expect("a name");
        if table.starts_with("migration") {
            continue;
        }
        // Deletions outlive what they deleted, and are in the way of a test with the same sessions.
        let has_deletions = table == "open_lists";
        let one = format!("SELECT * FROM {keyspace}.{table} LIMIT 1");
        let one = session.query_unpaged(one, ()).await.expect("a read");
        if has_deletions || one.into_rows_result().expect("rows").rows_num() > 0 {
            let truncate = format!("TRUNCATE {keyspace}.{table}");
            session
                .query_unpaged(truncate, ())
                .await
                .expect("it is emptied");
        }
    }
}
