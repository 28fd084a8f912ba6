//! A disk that forgets what was not synced, fills up, and fails, for tests.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::Files;

/// A disk in memory. What is on it survives the hub that used it, as far as it was synced.
#[derive(Default)]
pub struct SimDisk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, SimFile>,
    full: bool,
    syncs_fail: bool,
    forgets_on_crash: bool,
}

#[derive(Clone, Default)]
struct SimFile {
    bytes: Vec<u8>,
    synced: usize,
    /// As long as the last sync but one left it.
    synced_before: usize,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds the same, has no faults, and goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = State {
            files: self.state().files.clone(),
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// From now on nothing more fits, or does again.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// From now on syncs fail, or work again.
    pub fn set_syncs_fail(&self, fail: bool) {
        self.state().syncs_fail = fail;
    }

    /// What it says is synced is not: a crash takes the last group that was.
    pub fn set_forgets_on_crash(&self, forgets: bool) {
        self.state().forgets_on_crash = forgets;
    }

    /// The power goes: of what was not synced, `part` of each file's bytes (0 to 1) are still there.
    pub fn crash(&self, part: f64) {
        let mut state = self.state();
        let forgets = state.forgets_on_crash;
        for file in state.files.values_mut() {
            if forgets {
                file.bytes.truncate(file.synced_before);
            } else {
                let unsynced = file.bytes.len() - file.synced;
                let kept = (unsynced as f64 * part.clamp(0.0, 1.0)) as usize;
                file.bytes.truncate(file.synced + kept);
            }
            file.synced = file.bytes.len();
            file.synced_before = file.synced;
        }
    }

    /// Flips a bit of a file.
    ///
    /// # Panics
    /// There is no such file or byte.
    pub fn flip_bit(&self, name: &str, byte: usize) {
        self.state().file(name).expect("the file is there").bytes[byte] ^= 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn file(&mut self, name: &str) -> io::Result<&mut SimFile> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        self.files.get_mut(name).ok_or_else(missing)
    }
}

impl Files for SimDisk {
    fn may_block(&self) -> bool {
        false
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.state().file(name)?.bytes.clone())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let full = state.full;
        let file = state.files.entry(name.to_owned()).or_default();
        let fits = if full { bytes.len() / 2 } else { bytes.len() };
        file.bytes.extend_from_slice(&bytes[..fits]);
        match full {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.syncs_fail {
            return Err(io::Error::other("the sync failed"));
        }
        let file = state.file(name)?;
        if file.synced < file.bytes.len() {
            file.synced_before = file.synced;
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let file = state.file(name)?;
        file.bytes.truncate(length as usize);
        file.synced = file.synced.min(file.bytes.len());
        file.synced_before = file.synced_before.min(file.synced);
        Ok(())
    }

    fn rename(&self, name: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let file = state.files.remove(name).ok_or_else(missing)?;
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().files.remove(name);
        Ok(())
    }
}
