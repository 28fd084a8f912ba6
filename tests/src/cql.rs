//! The CQL server that `deploy/dev/cql up` started, and a keyspace in it for each hub.

use std::{
    error::Error,
    path::Path,
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;
use scylla::client::{session::Session, session_builder::SessionBuilder};
use store_scylla::{Credentials, Options, ScyllaStore};
use tokio::runtime::Runtime;

/// The connections of keyspaces outlive the runtime of a test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Keyspaces that a hub has left, emptied: to make their tables takes longer than most cases.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The nodes that `deploy/dev/cql up` started, numbered from 1.
#[derive(Debug, Clone, Copy)]
pub struct CqlServer;

impl CqlServer {
    /// How many nodes there are.
    ///
    /// # Panics
    /// When there is none: see [`contact_points`].
    pub fn nodes(self) -> usize {
        contact_points().len()
    }

    /// A connection of somebody who may do everything.
    ///
    /// # Panics
    /// When nobody takes it.
    pub async fn session(self) -> Session {
        let mut builder = SessionBuilder::new().known_nodes(contact_points());
        if let Some(us) = credentials() {
            builder = builder.user(us.user, us.password);
        }
        builder.build().await.expect("the CQL server is there")
    }

    /// kill -9 of a node.
    ///
    /// # Panics
    /// When it is not there.
    pub fn kill(self, node: usize) {
        script("kill", node);
    }

    /// Starts a killed node again, with its data, and waits until it takes clients.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(self, node: usize) {
        script("start", node);
    }
}

fn script(action: &str, node: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/dev/cql");
    let status = Command::new(script)
        .args([action, &node.to_string()])
        .stdout(Stdio::null())
        .status()
        .expect("deploy/dev/cql runs");
    assert!(status.success(), "deploy/dev/cql {action} {node}: {status}");
}

/// Where the nodes take clients.
///
/// # Panics
/// When nobody said so.
fn contact_points() -> Vec<String> {
    let points = std::env::var("CQL_CONTACT_POINTS")
        .expect("CQL_CONTACT_POINTS names a CQL server: run ./test cql, or deploy/dev/cql up");
    points.split(',').map(str::to_owned).collect()
}

/// Who may do everything, where the server asks who we are.
fn credentials() -> Option<Credentials> {
    let told = |name| std::env::var(name).ok();
    let (user, password) = (told("CQL_USER")?, told("CQL_PASSWORD")?);
    Some(Credentials { user, password })
}

/// A keyspace for one hub, for the next one after it. The server goes with what was made in it (`deploy/dev/cql down`).
#[derive(Debug)]
pub(crate) struct Keyspace(String);

impl Keyspace {
    /// An empty one that nobody uses, or the name of one that the hub makes.
    pub(crate) fn new() -> Self {
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(left.unwrap_or_else(|| format!("hub_{}", uuid::Uuid::new_v4().simple())))
    }

    /// What makes a hub remember there.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let points = serde_json::to_string(&contact_points()).expect("addresses");
        let replicas = contact_points().len().to_string();
        let mut settings = vec![
            ("STORE__KIND", "scylla".to_owned()),
            ("STORE__CONTACT_POINTS", points),
            ("STORE__KEYSPACE", self.0.clone()),
            ("STORE__CREATE_WITH_REPLICAS", replicas),
            // One server for all cases of the run, on the cores that they use.
            ("STORE__REQUEST_TIMEOUT_MS", "10000".to_owned()),
        ];
        if let Some(us) = credentials() {
            settings.push(("STORE__USER", us.user));
            settings.push(("STORE__PASSWORD", us.password));
        }
        let settings = settings.into_iter();
        settings
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    /// How to reach it.
    pub(crate) fn options(&self) -> Options {
        Options {
            contact_points: contact_points(),
            keyspace: self.0.clone(),
            credentials: credentials(),
            request_timeout: Duration::from_secs(10),
            ..Options::default()
        }
    }

    /// What the hub left there.
    ///
    /// # Panics
    /// When it cannot be read.
    pub(crate) async fn open(&self) -> ScyllaStore {
        let opened = ScyllaStore::open(&self.options()).await;
        opened.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.0);
        let emptying = async move {
            match empty(&name).await {
                Ok(()) => LEFT
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(name),
                Err(error) => eprintln!("a keyspace is not used again: {error}"),
            }
        };
        // From a thread that may wait: the one that drops may be a runtime's.
        let _ = std::thread::spawn(|| RUNTIME.block_on(emptying)).join();
    }
}

/// Removes all that a hub wrote, but for what it noted about the tables.
async fn empty(keyspace: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let session = CqlServer.session().await;
    let tables = session
        .query_unpaged(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?",
            (keyspace,),
        )
        .await?
        .into_rows_result()?;
    let mut truncations = Vec::new();
    for table in tables.rows::<(String,)>()? {
        let (table,) = table?;
        if !table.starts_with("migration") {
            let statement = format!("TRUNCATE {keyspace}.{table}");
            truncations.push(session.query_unpaged(statement, ()));
        }
    }
    try_join_all(truncations).await?;
    Ok(())
}
