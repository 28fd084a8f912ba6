//! What the hub remembers: one trait per kind of thing, an in-memory twin, and the contract that every
//! implementation passes.
//!
//! Rules every implementation keeps (the contract suite, module `contract` behind the feature of that
//! name, checks them):
//!
//! 1. A write that returned `Ok` survives a kill -9 (the twin excepted: it has no disk).
//! 2. A failed write says which failure it is: [`WriteError::NotWritten`] (certainly not there),
//!    [`WriteError::Refused`] (nor will it ever be) or [`WriteError::Unknown`] (a time-out, a lost connection: it may be there).
//! 3. A session write is atomic (snapshot and log entry), deduplicated by its retry key, and fenced by
//!    its epoch: an owner that has been replaced cannot write.
//! 4. Every list is paged; a cursor stays valid while rows are added.

mod access;
mod cdr;
mod command;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod copy;
mod dead_letter;
mod delegate;
mod error;
mod memory;
mod message;
mod notice;
mod page;
mod power;
mod session;
mod site;
mod station;
mod token;

pub use access::ApiKeyStore;
pub use cdr::{CdrCreated, CdrFilter, CdrStore, SessionToRecord, check_cdr};
pub use command::CommandStore;
pub use copy::{CopyError, Inventory, Progress, copy, must_be_empty};
pub use dead_letter::DeadLetterStore;
pub use error::{ReadError, WriteError};
pub use memory::MemoryStore;
pub use message::{MessageFilter, MessageStore};
pub use notice::{NoticeRecord, NoticeStore};
pub use page::{NoSuchPlace, Page, PageRequest, TimePlace};
pub use power::PowerStore;
pub use session::{Committed, SessionCommit, SessionFilter, SessionStore};
pub use site::SiteStore;
pub use station::{Hydration, StationFilter, StationStore};
pub use token::TokenStore;

/// Everything the hub remembers.
pub trait Store:
    StationStore
    + SiteStore
    + PowerStore
    + TokenStore
    + SessionStore
    + CdrStore
    + NoticeStore
    + CommandStore
    + DeadLetterStore
    + MessageStore
    + ApiKeyStore
{
}

impl<T> Store for T where
    T: StationStore
        + SiteStore
        + PowerStore
        + TokenStore
        + SessionStore
        + CdrStore
        + NoticeStore
        + CommandStore
        + DeadLetterStore
        + MessageStore
        + ApiKeyStore
{
}
