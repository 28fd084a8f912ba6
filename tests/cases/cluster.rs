//! Hubs that act as one: three real processes that share a real Redis.
//!
//! What is about sessions that go on at another hub wants a store that they share: with feature `cql`.

#[path = "cluster/addresses.rs"]
mod addresses;
#[path = "cluster/bench.rs"]
mod bench;
#[path = "cluster/commands.rs"]
mod commands;
#[cfg(feature = "cql")]
#[path = "cluster/histories.rs"]
mod histories;
#[path = "cluster/partitions.rs"]
mod partitions;
#[path = "cluster/placement.rs"]
mod placement;
#[path = "../../actors/placement-redis/tests/common/servers.rs"]
mod servers;
#[cfg(feature = "cql")]
#[path = "cluster/sessions.rs"]
mod sessions;
#[path = "cluster/sites.rs"]
mod sites;
#[cfg(feature = "cql")]
#[path = "cluster/unwritten.rs"]
mod unwritten;
#[path = "cluster/way.rs"]
mod way;
