//! Why the cluster cannot be used, in one line that says what to do.

use std::path::PathBuf;

use model::Timestamp;

/// Why the cluster cannot be used; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None of the contact points answers.
    #[error(
        "the CQL store at {points} does not answer: {why}; start it, or set store.contact_points to where it is"
    )]
    Away {
        /// The contact points.
        points: String,
        /// What the driver says.
        why: String,
    },
    /// A contact point wants to know who we are.
    #[error(
        "the CQL store at {points} wants to know who the hub is: set store.user, and store.password_file or store.password"
    )]
    NoCredentials {
        /// The contact points.
        points: String,
    },
    /// A contact point does not believe us.
    #[error(
        "the CQL store at {points} does not let the hub in ({says}): check store.user, and store.password_file or store.password"
    )]
    BadCredentials {
        /// The contact points.
        points: String,
        /// What the server says.
        says: String,
    },
    /// A contact point answers, and cannot be used.
    #[error(
        "the CQL store at {points} cannot be used: {why}; check store.contact_points, store.user with its password, and store.tls_ca"
    )]
    Unreachable {
        /// The contact points.
        points: String,
        /// What the driver says.
        why: String,
    },
    /// The role lacks a permission; the text names it and says how it is granted.
    #[error("{0}")]
    Forbidden(String),
    /// No node is in the datacentre that is asked for.
    #[error(
        "the CQL store has no datacentre {wanted:?}; it has: {there}. Set store.datacenter to one of these, the same for all hubs of the keyspace"
    )]
    NoDatacenter {
        /// The one of the options.
        wanted: String,
        /// Those of the nodes.
        there: String,
    },
    /// There are several, and none is asked for.
    #[error(
        "the CQL store has several datacentres: {0}. Set store.datacenter to one of these, the same for all hubs of the keyspace"
    )]
    ManyDatacenters(String),
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
    #[error(
        "the schema of keyspace {keyspace} is being changed by another hub ({owner}) for a long time: look at that one's log"
    )]
    Locked {
        /// The keyspace.
        keyspace: String,
        /// Who has the lock, and since when.
        owner: String,
    },
    /// What it holds is a part of what was to be copied there.
    #[error(
        "keyspace {keyspace} does not hold all that is to be copied there from {origin} since {began_at}: where that copy still runs, wait for it; where it was interrupted, run `hub store copy` again, or drop the keyspace and make it anew"
    )]
    HalfCopied {
        /// The keyspace.
        keyspace: String,
        /// What is copied there.
        origin: String,
        /// When the copy began.
        began_at: Timestamp,
    },
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
        /// It may be otherwise later.
        may_pass: bool,
    },
}

impl OpenError {
    /// Whether the same may work later, though nobody changes anything here: the cluster is away, or too
    /// little of it is there.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Locked { .. } => true,
            Self::Other { may_pass, .. } => *may_pass,
            _ => false,
        }
    }
}
