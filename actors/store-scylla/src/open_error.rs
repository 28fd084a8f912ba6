//! Why the cluster cannot be used, in one line that says what to do.

use std::path::PathBuf;

/// Why the cluster cannot be used; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None of the contact points answers, or not to us.
    #[error(
        "the CQL store at {points} cannot be reached: {why}; check the addresses, the credentials and TLS"
    )]
    Unreachable {
        /// The contact points.
        points: String,
        /// What the driver says.
        why: String,
    },
    /// The keyspace is not there.
    #[error(
        "there is no keyspace {0}: create it with the replication you want, or let the hub do it (store.create_with_replicas)"
    )]
    NoKeyspace(String),
    /// Not what a keyspace may be called.
    #[error("{0:?} is no name for a keyspace: up to 48 letters, digits and underscores")]
    BadKeyspace(String),
    /// A later version of the hub has changed the schema.
    #[error(
        "keyspace {keyspace} has schema version {found}, this hub knows up to {known}: run the hub version that wrote it, or a later one"
    )]
    Newer {
        /// The keyspace.
        keyspace: String,
        /// The version it has.
        found: i32,
        /// The highest version known here.
        known: i32,
    },
    /// Another hub changes the schema, and does not get done with it.
    #[error("keyspace {0} is being changed by another hub for a long time: look at that one's log")]
    Locked(String),
    /// A file for TLS cannot be used.
    #[error("{file} cannot be used for TLS to the CQL store: {why}")]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Anything else.
    #[error("keyspace {keyspace} cannot be used: {why}")]
    Other {
        /// The keyspace.
        keyspace: String,
        /// What the cluster or the driver says.
        why: String,
    },
}
