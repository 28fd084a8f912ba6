//! Why Redis cannot be used as configured, in one line that says what to do.

use std::path::PathBuf;

/// Why Redis cannot be used as configured; the text says what to do. None of these mends itself.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file for TLS cannot be used.
    #[error("{file} cannot be read for TLS to Redis: {why}")]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: std::io::Error,
    },
    /// The driver does not take the addresses or certificates.
    #[error("Redis cannot be addressed so: {0}; check the URL and the certificates")]
    Refused(String),
    /// A wrong user or password, or none.
    #[error(
        "Redis does not let this hub in: {0}; check user and password in the URL (redis://user:password@host, or :password@ for the default user)"
    )]
    NotLetIn(String),
    /// The user lacks a right.
    #[error(
        "Redis does not allow this hub {what}: {why}; give its user what a hub needs: ACL SETUSER (the user) resetchannels '&{prefix}:n:*' '~{prefix}:*' {rights}",
        rights = RIGHTS
    )]
    Forbidden {
        /// The command, and its key or channel.
        what: String,
        /// What Redis says.
        why: String,
        /// What all keys and channels begin with.
        prefix: String,
    },
    /// The only server takes no writes.
    #[error(
        "Redis is a replica here, which takes no writes; name its master, or the Sentinels (redis+sentinel://host,host/master)"
    )]
    ReadOnly,
    /// The only server is one of a cluster.
    #[error(
        "Redis is a node of a Redis Cluster here; name some of its nodes (redis+cluster://host,host)"
    )]
    OneOfMany,
    /// Something else answers.
    #[error("what answers there is no Redis that a hub can use: {0}; check host and port")]
    NoRedis(String),
}

/// What a hub's user must be allowed to do; in a Redis Cluster to learn of its nodes, besides.
const RIGHTS: &str = "+evalsha +eval +get +set +del +hgetall +hset +hdel +publish +subscribe +time +info +ping, and +cluster|slots in a Redis Cluster";
