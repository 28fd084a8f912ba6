//! The few things the spool asks of a disk, so that tests can put a failing one in its place.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A directory of segments.
pub trait Files: Send + Sync + 'static {
    /// Whether its calls may take long, so that they belong on a thread that may wait.
    fn may_block(&self) -> bool {
        true
    }

    /// The names of all files.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;

    /// A whole file.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Adds to the end of a file, which is made if it is not there.
    ///
    /// # Errors
    /// Any part of `bytes` may have been written.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// On return, all that was appended to the file survives a power cut.
    ///
    /// # Errors
    /// Nothing is known of what was appended since the last sync.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Cuts a file.
    ///
    /// # Errors
    /// It is as long as it was.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Gives a file another name, for good.
    ///
    /// # Errors
    /// It has the name it had.
    fn rename(&self, name: &str, to: &str) -> io::Result<()>;

    /// Removes a file; a power cut does not bring it back.
    ///
    /// # Errors
    /// It is still there.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A directory on a disk, held by one hub at a time.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// The file that is appended to, open.
    open: Mutex<Option<(String, File)>>,
    /// Locked for as long as this lives.
    _lock: File,
}

impl Directory {
    /// Opens a directory, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or another hub holds it ([`io::ErrorKind::WouldBlock`]).
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock = File::create(path.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::WouldBlock, "another hub uses it")
            }
            TryLockError::Error(error) => error,
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            open: Mutex::new(None),
            _lock: lock,
        })
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*open, Some((opened, _)) if opened == name) {
            let path = self.path.join(name);
            let is_new = !path.exists();
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            if is_new {
                self.sync_names()?;
            }
            *open = Some((name.to_owned(), file));
        }
        match &mut *open {
            Some((_, file)) => act(file),
            None => Err(io::Error::other("no file is open")),
        }
    }

    /// A file's name is kept by its directory.
    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn forget(&self, name: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*open, Some((opened, _)) if opened == name) {
            *open = None;
        }
    }
}

impl Files for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(name, |file| file.write_all(bytes))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.with(name, |file| file.sync_data())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.with(name, |file| file.set_len(length))
    }

    fn rename(&self, name: &str, to: &str) -> io::Result<()> {
        self.forget(name);
        fs::rename(self.path.join(name), self.path.join(to))?;
        self.sync_names()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.forget(name);
        fs::remove_file(self.path.join(name))?;
        self.sync_names()
    }
}
