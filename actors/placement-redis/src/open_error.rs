//! Why Redis cannot even be tried, in one line that says what to do.

use std::path::PathBuf;

/// Why Redis cannot even be tried; the text says what to do.
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
}
