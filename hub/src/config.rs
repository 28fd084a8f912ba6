//! What an operator may set: a TOML file, then the environment over it. Everything is read and checked
//! before any port opens; an unknown key is an error, since a mistyped one would silently do nothing.
//!
//! Environment: `SWITCHYARD_` and the key in capitals, sections parted by two underscores:
//! `SWITCHYARD_CHARGERS__LISTEN=127.0.0.1:9220`.

mod cluster;
mod error;
mod spool;
mod store;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

pub use cluster::{ClusterConfig, Member};
pub use error::ConfigError;
pub use spool::SpoolConfig;
pub use store::{StoreConfig, StoreKind};

/// How many CALLs are worked on at once for each core, unless that is set. Enough that writes share a
/// sync of a slow disk, few enough that those at work do not hold each other up.
const AT_ONCE_PER_CORE: usize = 64;

/// What an operator may set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the hub keeps its data.
    pub data: DataConfig,
    /// Where the hub remembers.
    pub store: StoreConfig,
    /// Where writes wait while a cluster does not take them.
    pub spool: SpoolConfig,
    /// This hub among others.
    pub cluster: ClusterConfig,
    /// The chargers' side.
    pub chargers: ChargersConfig,
    /// The operators' side.
    pub api: ApiConfig,
    /// What the actors hold to.
    pub charging: actors::Settings,
    /// When the hub closes a session whose station does not.
    pub sessions: actors::SessionPolicy,
    /// What happens when there is more to do than the hub can.
    pub overload: OverloadConfig,
    /// How the hub stops.
    pub drain: DrainConfig,
    /// The log of messages, kept for people.
    pub message_log: MessageLogConfig,
    /// The hub's own log.
    pub log: LogConfig,
}

/// Where the hub keeps its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The directory; made if it is not there.
    pub dir: PathBuf,
    /// How large the database may grow, its log included, in bytes. Beyond it transaction messages are not
    /// taken, and the chargers keep theirs. 0: as large as the disk.
    pub max_bytes: u64,
}

/// The chargers' side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChargersConfig {
    /// Where chargers connect.
    pub listen: SocketAddr,
    /// What becomes of a station the hub does not know.
    pub admission: AdmissionPolicy,
    /// Listen without TLS on an address that is not loopback.
    pub allow_plaintext: bool,
    /// Admit unknown stations at once on an address that is not loopback.
    pub allow_open_admission: bool,
    /// How many connections may be waiting to be opened, most of them still sending their request; the
    /// rest waits in the listen queue.
    pub max_unopened: usize,
    /// How many of those may be looked up in the store and opened at once.
    pub max_handshakes: usize,
    /// How long a request to connect may take to arrive, and how long the store may then take to know the
    /// station, in s.
    pub handshake_timeout_s: u64,
    /// The longest message a charger may send, in bytes.
    pub max_message_bytes: usize,
    /// How long a message may take to arrive, from its first byte to its last, in s.
    pub message_timeout_s: u64,
    /// How often a silent socket is pinged, in s; a dead one is found within two of these.
    pub ping_interval_s: u32,
    /// How many calls may wait for one charger.
    pub max_waiting_calls: usize,
    /// How long writing to a charger may take, in s.
    pub write_timeout_s: u64,
    /// When two devices that use one identity evict each other within so many s, again and again, one is
    /// turned away until it has stayed away for as long. 0: they may go on.
    pub identity_conflict_s: u32,
}

/// What becomes of a station the hub does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionPolicy {
    /// It is told 404.
    Known,
    /// It may connect and waits until an operator accepts it.
    Pending,
    /// It is taken in at once.
    Accept,
}

/// The operators' side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where the API, the metrics and the health checks are served.
    pub listen: SocketAddr,
    /// Listen without TLS on an address that is not loopback.
    pub allow_plaintext: bool,
    /// How many requests an API key may make in a second, on average.
    pub requests_per_s: u32,
}

/// What happens when there is more to do than the hub can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverloadConfig {
    /// How many CALLs, of all chargers, are worked on at once; the others wait in line, the most urgent
    /// in front. Absent: 64 for each core. 0: as many as there are.
    pub calls_at_once: u32,
    /// How long a heartbeat waits for its turn, in ms; then it is answered by the clock alone, and the
    /// message log does without it.
    pub heartbeat_wait_ms: u64,
    /// When a message has waited for its turn for so long, in ms, new connections are told to come back
    /// later.
    pub refuse_connections_after_ms: u64,
}

/// How the hub stops. All of it together should be less than what the system grants a process between
/// SIGTERM and SIGKILL (30 s in Kubernetes, 90 s in systemd).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// How many chargers are asked to come back later, in a second: as many as who takes over may well
    /// be met with.
    pub chargers_per_s: u32,
    /// How long that may take at most, in s; with more chargers than fit the rate is higher. 0: all at once.
    pub spread_max_s: u32,
    /// How long the calls in flight may take to be answered, in s, when all chargers have had their turn.
    pub calls_s: u32,
}

/// The log of messages, kept for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageLogConfig {
    /// Whether it is kept.
    pub enabled: bool,
    /// For how long, in days.
    pub retention_days: u32,
    /// How much of a frame, in bytes.
    pub max_frame_bytes: usize,
    /// How many entries may wait to be written; more are dropped and counted.
    pub backlog: usize,
}

/// The hub's own log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What is logged, as in `info` or `hub=debug,info`.
    pub filter: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: a JSON object a line.
    Json,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dir: "data".into(),
            max_bytes: 0,
        }
    }
}

impl Default for ChargersConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9220)),
            admission: AdmissionPolicy::Accept,
            allow_plaintext: false,
            allow_open_admission: false,
            max_unopened: 4096,
            max_handshakes: 256,
            handshake_timeout_s: 10,
            // A StopTransaction with the transactionData of a long session is larger than most.
            max_message_bytes: 256 * 1024,
            // The longest message over the slowest of modems.
            message_timeout_s: 120,
            ping_interval_s: 60,
            max_waiting_calls: 16,
            write_timeout_s: 30,
            identity_conflict_s: 300,
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9221)),
            allow_plaintext: false,
            requests_per_s: 50,
        }
    }
}

impl Default for OverloadConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            calls_at_once: u32::try_from(cores * AT_ONCE_PER_CORE).unwrap_or(u32::MAX),
            heartbeat_wait_ms: 2_000,
            refuse_connections_after_ms: 10_000,
        }
    }
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            chargers_per_s: 500,
            spread_max_s: 15,
            calls_s: 5,
        }
    }
}

impl Default for MessageLogConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            retention_days: 14,
            max_frame_bytes: 4096,
            backlog: 8192,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: LogFormat::Text,
        }
    }
}

impl Config {
    /// The file that is read when none is named, if it is there.
    pub const DEFAULT_FILE: &'static str = "switchyard.toml";

    /// Reads the file (absent: [`Self::DEFAULT_FILE`], if it is there), then the environment.
    ///
    /// # Errors
    /// A [`ConfigError`] for a missing file, an unknown key, or a value that cannot be.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut sources = Figment::from(figment::providers::Serialized::defaults(Self::default()));
        let default = Path::new(Self::DEFAULT_FILE);
        match file {
            Some(file) if !file.is_file() => {
                return Err(ConfigError(format!(
                    "there is no configuration file {}; name one that exists, or leave --config out",
                    file.display()
                )));
            }
            Some(file) => sources = sources.merge(Toml::file_exact(file)),
            None if default.is_file() => sources = sources.merge(Toml::file_exact(default)),
            None => {}
        }
        let environment = Env::prefixed("SWITCHYARD_")
            .ignore(&["config"])
            .filter(|key| !is_of_kubernetes(key.as_str()))
            .split("__");
        let config: Self = sources
            .merge(environment)
            .extract()
            .map_err(|error| ConfigError::of(&error))?;
        config.check()?;
        Ok(config)
    }

    /// What no single value shows.
    fn check(&self) -> Result<(), ConfigError> {
        let chargers = &self.chargers;
        let open_chargers = !chargers.listen.ip().is_loopback();
        let of_store = self.store.rules();
        let of_spool = self.spool.rules();
        let of_cluster = self.cluster.rules();
        let rules = [
            (
                open_chargers && !chargers.allow_plaintext,
                "chargers.listen is not loopback and has no TLS; put a TLS terminator in front and set chargers.allow_plaintext = true, or listen on 127.0.0.1",
            ),
            (
                open_chargers
                    && chargers.admission == AdmissionPolicy::Accept
                    && !chargers.allow_open_admission,
                "chargers.admission = \"accept\" on an address that is not loopback lets anybody in; use \"known\" or \"pending\", or set chargers.allow_open_admission = true",
            ),
            (
                !self.api.listen.ip().is_loopback() && !self.api.allow_plaintext,
                "api.listen is not loopback and has no TLS; put a TLS terminator in front and set api.allow_plaintext = true, or listen on 127.0.0.1",
            ),
            (
                chargers.listen.port() != 0 && chargers.listen == self.api.listen,
                "chargers.listen and api.listen are the same; give each a port of its own",
            ),
            (
                chargers.max_message_bytes < 1024 || chargers.max_message_bytes > 16 * 1024 * 1024,
                "chargers.max_message_bytes must be from 1024 to 16777216",
            ),
            (
                chargers.max_handshakes == 0 || chargers.max_unopened == 0,
                "chargers.max_handshakes and chargers.max_unopened must be at least 1",
            ),
            (
                self.data.dir.as_os_str().is_empty(),
                "data.dir must name a directory",
            ),
            (
                (1..1 << 20).contains(&self.data.max_bytes),
                "data.max_bytes must be at least 1048576, room for the empty database and about forty sessions, or 0 for as large as the disk",
            ),
            (
                chargers.handshake_timeout_s == 0,
                "chargers.handshake_timeout_s must be at least 1",
            ),
            (
                chargers.write_timeout_s == 0,
                "chargers.write_timeout_s must be at least 1",
            ),
            (
                chargers.message_timeout_s == 0,
                "chargers.message_timeout_s must be at least 1",
            ),
            (
                !(1..=3600).contains(&chargers.ping_interval_s),
                "chargers.ping_interval_s must be from 1 to 3600",
            ),
            (
                chargers.max_waiting_calls == 0,
                "chargers.max_waiting_calls must be at least 1",
            ),
            (
                self.api.requests_per_s == 0,
                "api.requests_per_s must be at least 1",
            ),
            (
                self.charging.heartbeat_interval_s == 0 || self.charging.boot_retry_s == 0,
                "charging.heartbeat_interval_s and charging.boot_retry_s must be at least 1",
            ),
            (
                self.charging.event_deadline_ms < 100,
                "charging.event_deadline_ms must be at least 100",
            ),
            (
                !(1..=1_000_000).contains(&self.charging.live_backlog),
                "charging.live_backlog must be from 1 to 1000000",
            ),
            (
                self.charging.power_lease_ms < 1_000 || self.charging.power_margin_ms < 500,
                "charging.power_lease_ms must be at least 1000 and charging.power_margin_ms at least 500",
            ),
            (
                u64::from(self.charging.power_lease_ms) + u64::from(self.charging.power_margin_ms)
                    > 60_000,
                "charging.power_lease_ms and charging.power_margin_ms must come to 60000 or less: so long a site draws more than its floors after its hub is gone",
            ),
            (
                self.sessions.orphaned_s == 0
                    || self.sessions.silent_s == 0
                    || self.sessions.station_away_s == 0,
                "sessions.orphaned_s, sessions.silent_s and sessions.station_away_s must be at least 1; to close no session, set sessions.sweep_every_s = 0",
            ),
            (
                self.drain.chargers_per_s == 0,
                "drain.chargers_per_s must be at least 1",
            ),
            (
                self.message_log.backlog == 0 || self.message_log.max_frame_bytes == 0,
                "message_log.backlog and message_log.max_frame_bytes must be at least 1",
            ),
        ];
        let mut rules = rules
            .iter()
            .chain(&of_store)
            .chain(&of_spool)
            .chain(&of_cluster);
        if let Some((_, rule)) = rules.find(|(broken, _)| *broken) {
            return Err(ConfigError((*rule).to_owned()));
        }
        self.log.check()
    }
}

impl LogConfig {
    /// A word alone that is no level would be taken for a target, and silence all others.
    fn check(&self) -> Result<(), ConfigError> {
        let filter = &self.filter;
        let mut alone = filter
            .split(',')
            .map(str::trim)
            .filter(|part| !part.contains(['=', '[']));
        if let Some(word) =
            alone.find(|part| !part.is_empty() && part.parse::<LevelFilter>().is_err())
        {
            return Err(ConfigError(format!(
                "log.filter: {word:?} is no level; write off, error, warn, info, debug or trace, or {word}=debug for one target"
            )));
        }
        let parsed = filter.parse::<EnvFilter>();
        parsed
            .map(drop)
            .map_err(|error| ConfigError(format!("log.filter {filter:?} cannot be read: {error}")))
    }
}

/// Kubernetes sets these in every pod beside a service that is called `switchyard`.
fn is_of_kubernetes(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "port" || key.starts_with("port_") || key.starts_with("service_")
}

#[cfg(test)]
mod tests;
