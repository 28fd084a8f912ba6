//! The real binary over real sockets.

mod admission;
mod charging;
mod commands;
mod drain;
mod durability;
mod full_disk;
mod guards;
mod handshake;
mod histories;
mod liveness;
mod quirks;
mod rpc;
mod starting;
mod supervision;
mod third_party;
