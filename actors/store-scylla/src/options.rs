//! How to reach the cluster.

use std::{fmt, path::PathBuf, time::Duration};

/// How to reach the cluster, and what to ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Some nodes, as `host:port`; the others are learnt from them.
    pub contact_points: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// The datacentre whose replicas make up a quorum, and whose nodes are asked. Absent: that of
    /// whichever node is asked, which is right where there is one only.
    pub datacenter: Option<String>,
    /// Make the keyspace with so many replicas if it is not there. Absent: it must be there.
    pub create_with_replicas: Option<u32>,
    /// Who we are. Absent: the cluster asks nobody.
    pub credentials: Option<Credentials>,
    /// Absent: in clear text.
    pub tls: Option<Tls>,
    /// How long a statement may take; what is not answered by then may or may not be written. 2 to 5 s:
    /// longer than a replica that collects garbage, shorter than a charger waits.
    pub request_timeout: Duration,
    /// How many statements may be under way; more wait.
    pub in_flight: usize,
    /// For how long messages and notices are kept.
    pub log_ttl: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            contact_points: vec!["127.0.0.1:9042".into()],
            keyspace: "switchyard".into(),
            datacenter: None,
            create_with_replicas: None,
            credentials: None,
            tls: None,
            request_timeout: Duration::from_secs(3),
            in_flight: 1024,
            log_ttl: Duration::from_hours(14 * 24),
        }
    }
}

/// Who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The role.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with a password", self.user)
    }
}

/// How the nodes are trusted, and how they trust us. Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who must have signed the nodes' certificates; these name the nodes' addresses.
    pub ca: PathBuf,
    /// Our certificate and its key, where the nodes want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}
