//! Under construction.
use crate::*;
/// x
pub struct MemoryStore;
