//! The real binary over real sockets.

mod admission;
mod charging;
mod clock;
mod commands;
mod drain;
mod durability;
mod faulty_disk;
mod full_disk;
mod guards;
mod handshake;
mod histories;
mod hostile;
mod identity_conflict;
mod liveness;
mod overload;
mod quirks;
mod rpc;
mod starting;
mod supervision;
mod third_party;
