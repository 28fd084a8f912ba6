//! Redis servers for a test. Each has its own, so that it can be stopped, wiped and killed. (Package `tests` uses
//! this file too.)

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Servers that `deploy/dev/redis` started; stopped when dropped.
pub(crate) struct Servers {
    state: TempDir,
    env: HashMap<String, String>,
}

impl Servers {
    /// `kind`: single, sentinel or cluster.
    pub(crate) fn up(kind: &str) -> Self {
        let state = TempDir::new().expect("a directory");
        let told = script(state.path(), &["up", kind]);
        let env = told
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self { state, env }
    }

    /// What `deploy/dev/redis env` says.
    pub(crate) fn told(&self, key: &str) -> &str {
        &self.env[key]
    }

    pub(crate) fn url(&self) -> &str {
        self.told("REDIS_URL")
    }

    /// The ports of its servers, Sentinels included.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let dir = std::fs::read_dir(self.dir()).expect("it is up");
        let names = dir.map(|entry| entry.expect("a name").file_name());
        names
            .filter_map(|name| name.to_str()?.parse().ok())
            .collect()
    }

    /// The only server's port.
    pub(crate) fn port(&self) -> u16 {
        self.ports()[0]
    }

    /// Sends a signal to the server on that port.
    pub(crate) fn signal(&self, port: u16, signal: &str) {
        let pid = self.pid(port);
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success(), "{signal} to {pid}");
    }

    /// Starts the server on that port again, which was killed.
    pub(crate) fn restart(&self, port: u16) {
        let dir = self.dir().join(port.to_string());
        let start = "nohup redis-server conf >log 2>&1 </dev/null & echo $! >pid";
        let started = Command::new("sh")
            .args(["-c", start])
            .current_dir(dir)
            .status();
        assert!(started.expect("sh runs").success());
    }

    fn pid(&self, port: u16) -> String {
        let file = self.dir().join(port.to_string()).join("pid");
        let pid = std::fs::read_to_string(file).expect("a process");
        pid.trim().to_owned()
    }

    fn dir(&self) -> PathBuf {
        self.state.path().join("redis")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        script(self.state.path(), &["down"]);
    }
}

/// What redis-cli says.
pub(crate) fn cli(port: u16, question: &[&str]) -> String {
    let said = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(question)
        .output()
        .expect("redis-cli runs");
    assert!(said.status.success(), "{question:?}: {said:?}");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

fn script(state: &Path, arguments: &[&str]) -> String {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut scripts = above.map(|dir| dir.join("deploy/dev/redis"));
    let script = scripts.find(|script| script.is_file());
    let done = Command::new(script.expect("this is a checkout"))
        .args(arguments)
        .env("REDIS_STATE", state.join("redis"))
        .output()
        .expect("the script runs");
    assert!(
        done.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("text")
}
