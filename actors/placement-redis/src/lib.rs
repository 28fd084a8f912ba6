//! What the nodes of a cluster share, in Redis.

mod options;

pub use options::{Address, Credentials, InvalidUrl, Options, Servers, Tls};
