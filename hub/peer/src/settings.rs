//! How nodes speak with each other.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::{certificate::Shown, why::in_words};

/// How long a TLS handshake may take.
const HANDSHAKE_MOST: Duration = Duration::from_secs(5);

/// How nodes speak with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What this node is called.
    pub name: String,
    /// How many messages may wait for one node.
    pub queue: usize,
    /// How many bytes of messages may wait for one node and be under way to it.
    pub queue_bytes: usize,
    /// How many messages may be under way to one node, and from one node.
    pub under_way: usize,
    /// How large a frame may be, in bytes, in both directions.
    pub max_frame_bytes: usize,
    /// How long a message waits for a node that does not let itself be connected to.
    pub patience: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How often a peer has to show that it is there.
    pub keep_alive: Duration,
    /// How long it may take for that.
    pub keep_alive_timeout: Duration,
    /// How many answers are remembered; as long as no more fit, new messages are refused as too many.
    pub remembered: usize,
    /// How many bytes of answers are.
    pub remembered_bytes: usize,
    /// How many connections there may be from other nodes.
    pub connections: usize,
}

impl Settings {
    /// The defaults for a node of that name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            queue: 256,
            queue_bytes: 16 << 20,
            under_way: 1024,
            max_frame_bytes: 1 << 20,
            patience: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            remembered: 100_000,
            remembered_bytes: 64 << 20,
            connections: 256,
        }
    }
}

/// Whether what nodes say to each other is protected.
#[derive(Debug, Clone)]
pub enum Security {
    /// In clear text, with whoever asks.
    Plain,
    /// By TLS, with those who have a certificate.
    Mutual(Tls),
}

/// This node's part in mutual TLS. The certificate names the host by which others reach the node.
#[derive(Clone)]
pub struct Tls {
    ca: Certificate,
    identity: Identity,
    shown: Shown,
}

/// What is said to be a certificate or a key is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl Tls {
    /// From PEM texts: the authority that all nodes trust, this node's certificate (its chain after it), and its key.
    ///
    /// # Errors
    /// [`TlsError`]: one of them is no such thing, or the key does not belong to the certificate.
    pub fn new(ca: &str, certificate: &str, key: &str) -> Result<Self, TlsError> {
        let tls = Self {
            ca: Certificate::from_pem(ca),
            identity: Identity::from_pem(certificate, key),
            shown: Shown::new(ca, certificate),
        };
        // Both sides read all three, so that what is wrong is said at the start.
        tonic::transport::Server::builder()
            .tls_config(tls.server())
            .map_err(TlsError::from)?;
        tonic::transport::Endpoint::from_static("https://127.0.0.1")
            .tls_config(tls.client())
            .map_err(TlsError::from)?;
        Ok(tls)
    }

    /// Whether the other nodes will speak with this one, which they reach at that host, at that time: by the same rules.
    ///
    /// # Errors
    /// [`TlsError`]: what is wrong with this node's certificate, in words that go on from "the certificate".
    pub fn check(&self, host: &str, now: SystemTime) -> Result<(), TlsError> {
        self.shown.check(host, now).map_err(TlsError)
    }

    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.identity.clone())
            .client_ca_root(self.ca.clone())
            .timeout(HANDSHAKE_MOST)
    }

    pub(crate) fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(self.ca.clone())
            .identity(self.identity.clone())
            .timeout(HANDSHAKE_MOST)
    }
}

impl From<tonic::transport::Error> for TlsError {
    fn from(error: tonic::transport::Error) -> Self {
        Self(in_words(&error))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
