//! The `hub` program: arguments, configuration, start, signal, drain.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use hub::{Hub, Storage, api::auth, config::Config, demo, telemetry};
use model::{Protocol, Role};
use store::Progress;
use tokio::signal::unix::{SignalKind, signal};

/// jemalloc costs a little more at rest than glibc's allocator and, unlike it, gives memory back when
/// thousands of chargers have come and gone.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Switchyard: the hub that EV chargers connect to. Without a command it runs.
#[derive(Parser)]
#[command(name = "hub", version)]
struct Arguments {
    /// The configuration file; without it, switchyard.toml if there is one. Each key can also be set
    /// in the environment: SWITCHYARD_CHARGERS__LISTEN=127.0.0.1:9220.
    #[arg(long, global = true, env = "SWITCHYARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Add so many simulated chargers, so that there is something to look at.
    #[arg(long, value_name = "N")]
    demo: Option<u32>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check the configuration, print it in full, and start nothing.
    CheckConfig,
    /// Keys to the operator API.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// What the hub remembers.
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Copy all that a hub remembers in data.dir into the cluster of [store], and compare what arrived. The
    /// hub must be stopped, and the keyspace empty, or hold a part of the same copy. No hub starts on the keyspace
    /// before all has arrived.
    Copy,
}

#[derive(Subcommand)]
enum ApiKeyCommand {
    /// Make a key and print it, once. It works at once, also while the hub runs.
    Create {
        /// What it may do: viewer (read), operator (commands, stations, tokens), admin (everything).
        #[arg(long, default_value = "admin")]
        role: RoleArgument,
        /// Whose it is.
        #[arg(long, default_value = "operator")]
        name: String,
    },
    /// List the keys (not the secrets, which are not kept).
    List,
    /// Make a key useless.
    Revoke {
        /// Its first characters, as `list` shows them.
        prefix: String,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RoleArgument {
    Viewer,
    Operator,
    Admin,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Config::load(arguments.config.as_deref())
        .map_err(|error| format!("configuration: {error}"))
        .and_then(|config| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| format!("threads cannot be started: {error}"))?;
            runtime.block_on(run(arguments, config))
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hub: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, config: Config) -> Result<(), String> {
    match arguments.command {
        None => serve(config, arguments.demo).await,
        Some(Command::CheckConfig) => {
            config.cluster.member()?;
            let shown = toml::to_string_pretty(&config).map_err(|error| error.to_string())?;
            println(&format!(
                "# The configuration is good. With what was not set:\n{shown}"
            ));
            Ok(())
        }
        Some(Command::ApiKey(command)) => {
            telemetry::start_log(&config.log);
            api_key(command, &config).await
        }
        Some(Command::Store(StoreCommand::Copy)) => {
            telemetry::start_log(&config.log);
            let tell = |progress: &Progress| eprintln!("{progress}");
            let copied = hub::copy_to_cluster(&config, tell).await;
            let copied = copied.map_err(|error| error.to_string())?;
            println(&format!("All of it has arrived: {copied}"));
            Ok(())
        }
    }
}

async fn serve(config: Config, demo: Option<u32>) -> Result<(), String> {
    telemetry::start_log(&config.log);
    let mut interrupted = on(SignalKind::interrupt())?;
    let mut terminated = on(SignalKind::terminate())?;
    let started = tokio::select! {
        started = Hub::start(config) => started,
        // It may wait for others, and has promised nothing to anybody yet.
        _ = interrupted.recv() => return Ok(()),
        _ = terminated.recv() => return Ok(()),
    };
    let mut hub = started.map_err(|error| error.to_string())?;
    println(&welcome(&hub).await);
    let _demo = match demo {
        Some(chargers) => Some(demo::start(&hub, chargers).await?),
        None => None,
    };
    let ended_by_another = tokio::select! {
        _ = interrupted.recv() => false,
        _ = terminated.recv() => false,
        () = hub.superseded() => true,
    };
    tokio::select! {
        () = hub.drain() => {}
        // Whatever was acknowledged is durable, so ending at once loses nothing.
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    if ended_by_another {
        let why = "another hub was started with this one's name; give each a cluster.name (or cluster.address) of its own";
        return Err(why.to_owned());
    }
    Ok(())
}

async fn welcome(hub: &Hub) -> String {
    let Hub { chargers, api, .. } = hub;
    let waits_for = hub.waits_for();
    let state = match &waits_for {
        None => "Switchyard is ready.".to_owned(),
        Some(why) => {
            format!("Switchyard runs, and takes chargers when its cluster is there: {why}")
        }
    };
    let key = if waits_for.is_some() {
        "not known yet"
    } else if hub.has_api_keys().await {
        "exists; another one: hub api-key create"
    } else {
        "none yet; make the first one with: cargo run --release -- api-key create"
    };
    let spoken = Protocol::ALL.map(Protocol::subprotocol).join(", ");
    format!(
        "{state}\n\
         chargers  ws://{chargers}/ocpp/{{identity}}   ({spoken})\n\
         API       http://{api}/api/v1\n\
         docs      http://{api}/api/docs\n\
         metrics   http://{api}/metrics\n\
         health    http://{api}/live  http://{api}/ready\n\
         API key   {key}"
    )
}

async fn api_key(command: ApiKeyCommand, config: &Config) -> Result<(), String> {
    let storage = Storage::open(config).await;
    let storage = storage.map_err(|error| error.to_string())?;
    let store = storage.store();
    match command {
        ApiKeyCommand::Create { role, name } => {
            let (secret, key) = auth::new_key(role.into(), &name, hub::now());
            store
                .create_api_key(key)
                .await
                .map_err(|error| error.to_string())?;
            // The key alone on standard output, so that a script can take it.
            println(&secret);
            eprintln!("Keep it: only its hash is stored. Use it as: Authorization: Bearer {{key}}");
        }
        ApiKeyCommand::List => {
            for key in store.api_keys().await.map_err(|error| error.to_string())? {
                println(&format!(
                    "{}  {:?}  {}  {}",
                    key.prefix, key.role, key.created_at, key.name
                ));
            }
        }
        ApiKeyCommand::Revoke { prefix } => {
            let found = store
                .delete_api_key(&prefix)
                .await
                .map_err(|error| error.to_string())?;
            if !found {
                return Err(format!("there is no key {prefix}; see: hub api-key list"));
            }
        }
    }
    storage.close().await;
    Ok(())
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Viewer => Self::Viewer,
            RoleArgument::Operator => Self::Operator,
            RoleArgument::Admin => Self::Admin,
        }
    }
}

fn on(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|error| format!("signals cannot be received: {error}"))
}

/// Writes to standard output; a reader that went away is no reason to stop a hub.
fn println(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
