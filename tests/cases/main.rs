//! The real binary over real sockets.
//!
//! With feature `cql` the hubs remember in a CQL server. What is about the file of an embedded store, or wants
//! faults injected there, is then left out. With feature `redis` there are cases with many hubs.

mod admission;
mod cdrs;
mod charging;
mod clock;
#[cfg(feature = "redis")]
mod cluster;
mod commands;
mod drain;
mod durability;
#[cfg(not(feature = "cql"))]
mod faulty_disk;
#[cfg(not(feature = "cql"))]
mod full_disk;
mod guards;
mod handshake;
mod histories;
mod hostile;
mod identity_conflict;
mod liveness;
mod mistaken_names;
mod ocpp21;
#[cfg(feature = "cql")]
mod outage;
#[cfg(not(feature = "cql"))]
mod overload;
mod power;
mod quirks;
#[cfg(feature = "cql")]
mod roles;
mod rpc;
#[cfg(feature = "cql")]
mod schema_lock;
mod starting;
#[cfg(feature = "cql")]
mod store_copy;
#[cfg(feature = "cql")]
mod strangers;
mod supervision;
mod third_party;
