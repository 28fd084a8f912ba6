//! The CQL server that `deploy/dev/cql up` started, and a keyspace in it for each hub.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use scylla::client::session_builder::SessionBuilder;
use store_scylla::{Options, ScyllaStore};
use tokio::runtime::Runtime;

/// The connections of keyspaces outlive the runtime of a test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

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

/// A keyspace for one hub, removed with it.
#[derive(Debug)]
pub(crate) struct Keyspace(String);

impl Keyspace {
    /// A name that nobody uses; the hub makes the keyspace.
    pub(crate) fn new() -> Self {
        Self(format!("hub_{}", uuid::Uuid::new_v4().simple()))
    }

    /// What makes a hub remember there.
    pub(crate) fn settings(&self) -> [(String, String); 5] {
        let points = serde_json::to_string(&contact_points()).expect("addresses");
        let replicas = contact_points().len().to_string();
        [
            ("STORE__KIND", "scylla".to_owned()),
            ("STORE__CONTACT_POINTS", points),
            ("STORE__KEYSPACE", self.0.clone()),
            ("STORE__CREATE_WITH_REPLICAS", replicas),
            // One server for all cases of the run, on the cores that they use.
            ("STORE__REQUEST_TIMEOUT_MS", "10000".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
    }

    /// What the hub left there.
    ///
    /// # Panics
    /// When it cannot be read.
    pub(crate) async fn open(&self) -> ScyllaStore {
        let opened = ScyllaStore::open(&Options {
            contact_points: contact_points(),
            keyspace: self.0.clone(),
            request_timeout: Duration::from_secs(10),
            ..Options::default()
        })
        .await;
        opened.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let statement = format!("DROP KEYSPACE IF EXISTS {}", self.0);
        let dropping = async move {
            let nodes = SessionBuilder::new().known_nodes(contact_points());
            let session = nodes.build().await.map_err(|error| error.to_string())?;
            let dropped = session.query_unpaged(statement, ()).await;
            dropped.map_err(|error| error.to_string())
        };
        // From a thread that may wait: the one that drops may be a runtime's.
        let done = std::thread::spawn(|| RUNTIME.block_on(dropping)).join();
        if let Ok(Err(error)) = done {
            eprintln!("a keyspace stays behind: {error}");
        }
    }
}
