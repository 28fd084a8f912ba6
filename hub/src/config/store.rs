//! Where the hub remembers: in a file of its own, or in a cluster that it shares with other hubs.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// Where the hub remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Which store. All other keys here are for `scylla`.
    pub kind: StoreKind,
    /// Some nodes of the cluster, as `host:port`; the others are learnt from them. Read from a list, or from a text
    /// with commas, as an environment variable has it.
    #[serde(deserialize_with = "addresses")]
    pub contact_points: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// The datacentre whose replicas make up a quorum, the same for all hubs of a keyspace. Absent: there is
    /// one only.
    pub datacenter: Option<String>,
    /// Make the keyspace with so many replicas where it is not there. Absent: it must be there.
    pub create_with_replicas: Option<u32>,
    /// The role to log in as; it needs SELECT, MODIFY and, where the hub makes its tables, CREATE on the keyspace. Absent:
    /// the cluster asks nobody.
    pub user: Option<String>,
    /// Its password.
    #[serde(serialize_with = "hidden")]
    pub password: Option<String>,
    /// A file that holds the password instead.
    pub password_file: Option<PathBuf>,
    /// TLS, trusting what is signed by the certificates in this file (PEM). Absent: in clear text.
    pub tls_ca: Option<PathBuf>,
    /// Our certificate, where the nodes want one (PEM).
    pub tls_certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub tls_key: Option<PathBuf>,
    /// How long a statement may take, in ms; what is not answered by then counts as perhaps written.
    pub request_timeout_ms: u64,
    /// How many statements may be under way; more wait.
    pub in_flight: usize,
}

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A file in `data.dir`: for one hub, with nothing to install.
    Sqlite,
    /// ScyllaDB or Apache Cassandra: for many hubs.
    Scylla,
}

impl Default for StoreConfig {
    fn default() -> Self {
        let defaults = store_scylla::Options::default();
        Self {
            kind: StoreKind::Sqlite,
            contact_points: defaults.contact_points,
            keyspace: defaults.keyspace,
            datacenter: None,
            create_with_replicas: None,
            user: None,
            password: None,
            password_file: None,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
            request_timeout_ms: 3_000,
            in_flight: defaults.in_flight,
        }
    }
}

impl StoreConfig {
    /// What no single value shows: whether a rule is broken, and its words.
    pub(super) fn rules(&self) -> [(bool, &'static str); 7] {
        [
            (
                self.kind == StoreKind::Scylla
                    && (self.contact_points.is_empty()
                        || self
                            .contact_points
                            .iter()
                            .any(|point| point.trim().is_empty())),
                "store.contact_points must name nodes, as in [\"10.0.0.1:9042\", \"10.0.0.2:9042\"]",
            ),
            (
                self.create_with_replicas == Some(0),
                "store.create_with_replicas must be at least 1, and no more than there are nodes",
            ),
            (
                self.password.is_some() && self.password_file.is_some(),
                "store.password and store.password_file are both set; keep one",
            ),
            (
                self.user.is_some() != (self.password.is_some() || self.password_file.is_some()),
                "store.user wants store.password_file (or store.password), and the other way round",
            ),
            (
                self.tls_certificate.is_some() != self.tls_key.is_some(),
                "store.tls_certificate and store.tls_key belong together; set both or none",
            ),
            (
                self.tls_certificate.is_some() && self.tls_ca.is_none(),
                "store.tls_certificate wants store.tls_ca, which turns TLS on",
            ),
            (
                !(500..=10_000).contains(&self.request_timeout_ms) || self.in_flight == 0,
                "store.request_timeout_ms must be from 500 to 10000, and store.in_flight at least 1",
            ),
        ]
    }

    /// How to reach the cluster, and for how long logs are kept there.
    ///
    /// # Errors
    /// The file with the password cannot be read.
    pub fn cluster(&self, log_ttl: Duration) -> Result<store_scylla::Options, String> {
        let password = match &self.password_file {
            None => self.password.clone(),
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| {
                    format!(
                        "store.password_file {} cannot be read: {error}",
                        file.display()
                    )
                })?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        let identity = self.tls_certificate.clone().zip(self.tls_key.clone());
        Ok(store_scylla::Options {
            contact_points: self.contact_points.clone(),
            keyspace: self.keyspace.clone(),
            datacenter: self.datacenter.clone(),
            create_with_replicas: self.create_with_replicas,
            credentials: self
                .user
                .clone()
                .zip(password)
                .map(|(user, password)| store_scylla::Credentials { user, password }),
            tls: self
                .tls_ca
                .clone()
                .map(|ca| store_scylla::Tls { ca, identity }),
            request_timeout: Duration::from_millis(self.request_timeout_ms),
            in_flight: self.in_flight,
            log_ttl,
        })
    }
}

/// Addresses: a list of texts, or one text in which commas part them.
fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Addresses;

    impl<'de> Visitor<'de> for Addresses {
        type Value = Vec<String>;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str(
                "addresses, as in [\"10.0.0.1:9042\", \"10.0.0.2:9042\"] or \"10.0.0.1:9042,10.0.0.2:9042\"",
            )
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            let parts = text.split(',').map(str::trim);
            Ok(parts.map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(Addresses)
}

/// A secret is shown as set or not.
fn hidden<S: Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "(set)").serialize(serializer)
}
