//! What every actor is given.

use std::sync::{Arc, OnceLock, atomic::AtomicU64};

use placement::Placement;
use store::Store;

use crate::{
    Clock, Language, Settings, SiteLinks, Unwritten, Watchers, directory::Directory,
    durability::Durability, site::Sites, tree::Tree,
};

/// What every actor is given.
pub(crate) struct Deps {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Which chargers and sites are this node's.
    pub(crate) placement: Arc<dyn Placement>,
    pub(crate) watchers: Watchers,
    pub(crate) directory: Directory,
    pub(crate) sites: Sites,
    pub(crate) settings: Settings,
    pub(crate) durability: Durability,
    /// Writes that the store refused because another node holds the charger.
    pub(crate) fenced_writes: AtomicU64,
    /// What sites say to stations with; set once, before the first station connects.
    pub(crate) language: OnceLock<Arc<dyn Language>>,
    /// The ways to other nodes' sites and stations; none where there are no other nodes.
    pub(crate) links: OnceLock<Arc<dyn SiteLinks>>,
    /// What other nodes have not written yet; none where there are no other nodes.
    pub(crate) unwritten: OnceLock<Arc<dyn Unwritten>>,
    /// Where actors are started; set once, before the first of them.
    pub(crate) tree: OnceLock<Arc<Tree>>,
}
