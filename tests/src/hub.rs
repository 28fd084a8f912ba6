//! The real `hub` binary in a directory of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{Api, until};

/// A running hub.
pub struct HubProcess {
    child: Child,
    binary: PathBuf,
    dir: tempfile::TempDir,
    settings: Vec<(String, String)>,
    #[cfg(feature = "cql")]
    keyspace: crate::cql::Keyspace,
    /// Where chargers connect, as `host:port`.
    pub chargers: String,
    /// Where the API is, as `host:port`.
    pub api_address: String,
}

impl HubProcess {
    /// Starts a hub with these settings (environment keys without `SWITCHYARD_`, as in
    /// `CHARGERS__ADMISSION`) over the defaults, on free ports, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let binary = Self::beside().expect(
            "there is no hub beside this test; build it first: cargo build -p hub --features chaos",
        );
        Self::start_binary(&binary, settings)
    }

    /// The binary of the profile of the program that runs: `target/<profile>/hub`, if it is there.
    pub fn beside() -> Option<PathBuf> {
        let running = std::env::current_exe().ok()?;
        // Tests run in `deps` below it.
        let mut near = running.ancestors().skip(1).take(2);
        near.find_map(|dir| Some(dir.join("hub")).filter(|hub| hub.is_file()))
    }

    /// As [`Self::start`], with this binary.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_binary(binary: &Path, settings: &[(&str, &str)]) -> Self {
        // The hub runs in a directory of its own.
        let binary = std::path::absolute(binary).expect("the binary has a path");
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(chaos_dir(dir.path())).expect("a directory for faults");
        let mut all = vec![
            ("CHARGERS__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("API__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("API__REQUESTS_PER_S".to_owned(), "10000".to_owned()),
            ("LOG__FILTER".to_owned(), "error".to_owned()),
        ];
        #[cfg(feature = "cql")]
        let keyspace = crate::cql::Keyspace::new();
        #[cfg(feature = "cql")]
        all.extend(keyspace.settings());
        all.extend(
            settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let (child, chargers, api_address) = spawn(command(&binary, dir.path(), &all));
        // From now on the same ports, so that chargers find the hub again when it was restarted.
        all.retain(|(key, _)| !key.ends_with("__LISTEN"));
        all.push(("CHARGERS__LISTEN".to_owned(), chargers.clone()));
        all.push(("API__LISTEN".to_owned(), api_address.clone()));
        Self {
            child,
            binary,
            dir,
            settings: all,
            #[cfg(feature = "cql")]
            keyspace,
            chargers,
            api_address,
        }
    }

    /// A client of the API, with a key of its own.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn api(&self, role: &str) -> Api {
        let made = self
            .command()
            .args(["api-key", "create", "--role", role])
            .output();
        let made = made.expect("hub api-key create runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let key = String::from_utf8(made.stdout)
            .expect("a key is text")
            .trim()
            .to_owned();
        Api::new(&self.api_address, &key)
    }

    /// The binary, with the settings and the data directory of this hub.
    pub fn command(&self) -> Command {
        command(&self.binary, self.dir.path(), &self.settings)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What it remembers; it must not be running.
    ///
    /// # Panics
    /// When that cannot be read.
    #[cfg(not(feature = "cql"))]
    pub async fn remembers(&self) -> impl store::Store + use<> {
        let file = self.data_dir().join("hub.sqlite");
        let store = store_sqlite::SqliteStore::open(&file, &store_sqlite::Options::default());
        store.expect("the file that the hub left can be opened")
    }

    /// What it remembers; it must not be running.
    ///
    /// # Panics
    /// When that cannot be read.
    #[cfg(feature = "cql")]
    pub async fn remembers(&self) -> impl store::Store + use<> {
        self.keyspace.open().await
    }

    /// How to reach the keyspace that it remembers in.
    #[cfg(feature = "cql")]
    pub fn keyspace(&self) -> store_scylla::Options {
        self.keyspace.options()
    }

    /// kill -9.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("the hub can be killed");
        self.child.wait().expect("the hub can be waited for");
    }

    /// Starts it again after it was killed or stopped: same data, same ports.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        (self.child, self.chargers, self.api_address) = spawn(self.command());
    }

    /// Starts it after it was killed or stopped, waits for nothing, and returns what it writes to standard error, line
    /// by line.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_unready(&mut self) -> impl Iterator<Item = String> + use<> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        self.child = command.spawn().expect("the hub can be started");
        let written = self.child.stderr.take().expect("it is piped");
        BufReader::new(written).lines().map_while(Result::ok)
    }

    /// Starts it after it was killed, and kills it again `within` this time, ready or not.
    ///
    /// # Panics
    /// When it cannot be started or killed.
    pub fn start_and_kill_within(&mut self, within: Duration) {
        let started = self.command().stdout(Stdio::null()).spawn();
        self.child = started.expect("the hub can be started");
        std::thread::sleep(within);
        self.kill();
    }

    /// The value of a setting that was given, or that the harness chose.
    pub fn setting(&self, key: &str) -> Option<&str> {
        let mut settings = self.settings.iter().rev();
        let (_, value) = settings.find(|(known, _)| known == key)?;
        Some(value)
    }

    /// Sends it a signal, as in `-STOP`.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success(), "{signal} to {pid}");
    }

    /// Sets another value, from the next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Makes something go wrong in the running hub: `store` or `clock` (see the `chaos` modules of the hub
    /// and of its store).
    ///
    /// # Panics
    /// When it cannot be written down.
    pub fn inject(&self, place: &str, fault: &str) {
        let dir = chaos_dir(self.dir.path());
        // In one step, so that the hub never reads half of it.
        std::fs::write(dir.join("next"), fault).expect("a fault can be written down");
        std::fs::rename(dir.join("next"), dir.join(place)).expect("a fault can be put in place");
    }

    /// Ends what [`Self::inject`] began.
    ///
    /// # Panics
    /// When nothing was begun there.
    pub fn mend(&self, place: &str) {
        std::fs::remove_file(chaos_dir(self.dir.path()).join(place)).expect("there is a fault");
    }

    /// Whether a fault of the store has struck since this was last asked.
    pub fn was_struck(&self) -> bool {
        std::fs::remove_file(chaos_dir(self.dir.path()).join("struck")).is_ok()
    }

    /// SIGTERM, and no waiting.
    ///
    /// # Panics
    /// When it cannot be signalled.
    pub fn ask_to_stop(&self) {
        self.signal("-TERM");
    }

    /// The exit code, once it has ended by itself.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&mut self) -> Option<i32> {
        let child = std::sync::Mutex::new(&mut self.child);
        let status = until("the hub ends", || async {
            let mut child = child.lock().expect("nothing panics with the lock");
            child.try_wait().expect("the hub can be waited for")
        });
        status.await.code()
    }

    /// SIGTERM; returns the exit code once it has ended.
    ///
    /// # Panics
    /// When it cannot be signalled, or does not end.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.ended().await
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command) -> (Child, String, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the hub can be started");
    let stdout = child.stdout.take().expect("stdout is piped");
    let (mut chargers, mut api) = (None, None);
    let mut lines = BufReader::new(stdout).lines();
    // The welcome names both addresses; its last line is the one about the API key.
    while let Some(Ok(line)) = lines.next() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("chargers"), Some(url)) => chargers = host_of(url),
            (Some("API"), Some(url)) if url.starts_with("http") => api = host_of(url),
            (Some("API"), Some("key")) => break,
            _ => {}
        }
    }
    // Whatever the hub prints later must find a reader.
    std::thread::spawn(move || lines.for_each(drop));
    match (chargers, api) {
        (Some(chargers), Some(api)) => (child, chargers, api),
        _ => panic!("the hub ended before it was ready: {:?}", child.wait()),
    }
}

fn host_of(url: &str) -> Option<String> {
    Some(url.split_once("://")?.1.split('/').next()?.to_owned())
}

fn chaos_dir(dir: &Path) -> PathBuf {
    dir.join("chaos")
}

fn command(binary: &Path, dir: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(binary);
    command
        .current_dir(dir)
        .env("HUB_CHAOS_DIR", chaos_dir(dir))
        .env("SWITCHYARD_DATA__DIR", dir.join("data"))
        // The panics of these tests are asked for.
        .env("RUST_BACKTRACE", "0");
    for (key, value) in settings {
        command.env(format!("SWITCHYARD_{key}"), value);
    }
    command
}
