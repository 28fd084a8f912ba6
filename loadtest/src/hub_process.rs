//! The process of the central system, when it runs on this machine: its CPU time and memory, from /proc.

use std::fs;
use std::io;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

/// `/proc/PID/stat` counts CPU time in ticks of this many a second, on all Linux machines.
const TICKS_PER_SECOND: u64 = 100;
/// The state of a listening socket in /proc/net/tcp.
const LISTENING: &str = "0A";

/// A process to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HubProcess {
    pid: u32,
}

/// What the process has used and uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    /// CPU time since its start, user and system.
    pub(crate) cpu: Duration,
    /// Memory of its own, in bytes: Anonymous + Swap of smaps_rollup. (RSS would miss what was paged out.)
    pub(crate) memory: u64,
}

/// Why a process cannot be looked at.
#[derive(Debug, Error)]
pub(crate) enum HubProcessError {
    #[error(
        "cannot read {path} ({source}): is --hub-pid the central system's process, on this machine and of this user?"
    )]
    Read { path: String, source: io::Error },
    #[error("{0} does not look as it does on Linux")]
    Format(String),
    #[error(
        "no process of this user listens on port {0}: start the central system first, or name it with --hub-pid"
    )]
    NotFound(u16),
}

impl HubProcess {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// The process that listens on this TCP port.
    pub(crate) fn listening_on(port: u16) -> Result<Self, HubProcessError> {
        let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|table| listening_inodes(&table, port))
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        let processes = read("/proc", |path| fs::read_dir(path))?;
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid| holds_one_of(*pid, &sockets))
            .map(Self::new)
            .ok_or(HubProcessError::NotFound(port))
    }

    pub(crate) fn usage(self) -> Result<Usage, HubProcessError> {
        let path = format!("/proc/{}/stat", self.pid);
        let cpu = cpu_time(&read(&path, |path| fs::read_to_string(path))?)
            .ok_or(HubProcessError::Format(path))?;
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let memory = own_memory(&read(&path, |path| fs::read_to_string(path))?)
            .ok_or(HubProcessError::Format(path))?;
        Ok(Usage { cpu, memory })
    }
}

fn read<T>(path: &str, how: impl FnOnce(&str) -> io::Result<T>) -> Result<T, HubProcessError> {
    how(path).map_err(|source| HubProcessError::Read {
        path: path.to_owned(),
        source,
    })
}

fn cpu_time(stat: &str) -> Option<Duration> {
    // The second field, the name in parentheses, may hold blanks; utime and stime are fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1_000 / TICKS_PER_SECOND,
    ))
}

fn own_memory(rollup: &str) -> Option<u64> {
    let kib = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((kib("Anonymous:")? + kib("Swap:")?) * 1_024)
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let local_port = fields.get(1)?.rsplit(':').next()?;
        let listens =
            u16::from_str_radix(local_port, 16).ok()? == port && *fields.get(3)? == LISTENING;
        listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

fn holds_one_of(pid: u32, sockets: &[String]) -> bool {
    // Other users' processes cannot be read; they are not the one.
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|link| {
            sockets
                .iter()
                .any(|socket| link.as_os_str() == socket.as_str())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_though_the_name_holds_blanks_and_parentheses() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 5 0 0 0 250 150 0 0 20 0 3 0 100 1000 10";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(4)));
    }

    #[test]
    fn own_memory_is_anonymous_plus_swapped_out() {
        let rollup = "00-ff ---p 0 00:00 0 [rollup]\nRss: 900 kB\nAnonymous:  100 kB\nSwapPss: 7 kB\nSwap:  28 kB\n";
        assert_eq!(own_memory(rollup), Some(128 * 1_024));
    }

    #[test]
    fn this_very_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let found = HubProcess::listening_on(port).expect("we listen");
        assert_eq!(found.pid, std::process::id());
        assert!(found.usage().expect("our own usage").memory > 0);
    }
}
