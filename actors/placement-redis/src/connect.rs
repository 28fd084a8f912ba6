//! How connections are made: to one server, to a master that Sentinels name, to a cluster.

use std::{fmt, path::Path, time::Duration};

use rand::seq::SliceRandom;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

use crate::{Address, Credentials, OpenError, Options, Servers, Tls};

/// Makes connections.
pub(crate) struct Connector {
    way: Way,
    /// How long it may take to connect.
    in_time: Duration,
}

enum Way {
    Single(Client),
    Sentinel(Mutex<SentinelClient>),
    Cluster {
        cluster: ClusterClient,
        nodes: Vec<Client>,
    },
}

/// A connection for questions; clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Why something was not answered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With that error.
    Error(RedisError),
    /// Not within this time.
    Late(Duration),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Late(within) => write!(f, "Redis did not answer within {within:?}"),
        }
    }
}

impl Connector {
    pub(crate) fn new(options: &Options) -> Result<Self, OpenError> {
        let refused = |error: RedisError| OpenError::Refused(error.to_string());
        let certificates = options.tls.as_ref().map(certificates).transpose()?;
        let client = |address: &Address| {
            client(address, options.credentials.as_ref(), certificates.as_ref()).map_err(refused)
        };
        let way = match &options.servers {
            Servers::Single(address) => Way::Single(client(address)?),
            Servers::Sentinel { sentinels, master } => {
                let sentinels = sentinels
                    .iter()
                    .map(|address| ConnectionAddr::Tcp(address.host.clone(), address.port));
                let mut builder =
                    SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)
                        .map_err(refused)?;
                if let Some(us) = &options.credentials {
                    builder = builder.set_client_to_redis_password(&us.password);
                    if let Some(user) = &us.user {
                        builder = builder.set_client_to_redis_username(user);
                    }
                }
                if let Some(us) = &options.sentinel_credentials {
                    builder = builder.set_client_to_sentinel_password(&us.password);
                    if let Some(user) = &us.user {
                        builder = builder.set_client_to_sentinel_username(user);
                    }
                }
                if let Some(certificates) = certificates {
                    builder = builder
                        .set_client_to_redis_tls_mode(TlsMode::Secure)
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                        .set_client_to_sentinel_certificates(certificates);
                }
                Way::Sentinel(Mutex::new(builder.build().map_err(refused)?))
            }
            Servers::Cluster(addresses) => {
                let nodes = addresses.iter().map(&client);
                let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
                let seeds = nodes.iter().map(|node| node.get_connection_info().clone());
                let mut builder = ClusterClient::builder(seeds)
                    .connection_timeout(options.connect_timeout)
                    .response_timeout(options.timeout)
                    // A dead master, then a node that has not heard of the new one: then the question has failed.
                    .retries(3)
                    .min_retry_wait(10)
                    .max_retry_wait(50);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                let cluster = builder.build().map_err(refused)?;
                Way::Cluster { cluster, nodes }
            }
        };
        Ok(Self {
            way,
            in_time: options.connect_timeout,
        })
    }

    /// A connection for questions. No longer than it may take.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        // Time-outs of questions are the line's.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = async {
            Ok(match &self.way {
                Way::Single(client) => Connection::One(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                ),
                Way::Sentinel(sentinel) => Connection::One(
                    sentinel
                        .lock()
                        .await
                        .get_async_connection_with_config(&config)
                        .await?,
                ),
                Way::Cluster { cluster, .. } => {
                    Connection::Cluster(cluster.get_async_connection().await?)
                }
            })
        };
        self.within(self.in_time, connecting).await
    }

    /// Of a cluster: whether any node lets us in. The driver does not say why none does.
    pub(crate) async fn knock(&self) -> Result<(), Failure> {
        let Way::Cluster { nodes, .. } = &self.way else {
            return Ok(());
        };
        let mut outcome = Ok(());
        for node in nodes {
            let knocking = async {
                let mut node = node.get_multiplexed_async_connection().await?;
                let slots = redis::cmd("CLUSTER").arg("SLOTS").to_owned();
                slots.query_async::<Value>(&mut node).await
            };
            outcome = self.within(self.in_time, knocking).await.map(drop);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// A connection for notices: in a cluster to any node, since each passes them on to all.
    pub(crate) async fn subscriber(&self) -> Result<PubSub, Failure> {
        let connecting = async {
            match &self.way {
                Way::Single(client) => client.get_async_pubsub().await,
                Way::Sentinel(sentinel) => {
                    let master = sentinel.lock().await.async_get_client().await?;
                    master.get_async_pubsub().await
                }
                Way::Cluster { nodes, .. } => {
                    let mut nodes = nodes.clone();
                    nodes.shuffle(&mut rand::rng());
                    let mut outcome = Err(RedisError::from((
                        redis::ErrorKind::InvalidClientConfig,
                        "no nodes are configured",
                    )));
                    for node in nodes {
                        outcome = node.get_async_pubsub().await;
                        if outcome.is_ok() {
                            break;
                        }
                    }
                    outcome
                }
            }
        };
        self.within(self.in_time, connecting).await
    }

    /// What becomes of it within this time.
    pub(crate) async fn within<T>(
        &self,
        time: Duration,
        asking: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(time, asking).await {
            Ok(answered) => answered.map_err(Failure::Error),
            Err(_) => Err(Failure::Late(time)),
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a redis::Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(cmd, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn client(
    address: &Address,
    us: Option<&Credentials>,
    certificates: Option<&TlsCertificates>,
) -> RedisResult<Client> {
    let (host, port) = (address.host.clone(), address.port);
    let to = match certificates {
        Some(_) => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        },
        None => ConnectionAddr::Tcp(host, port),
    };
    let mut who = RedisConnectionInfo::default();
    if let Some(us) = us {
        who = who.set_password(&us.password);
        if let Some(user) = &us.user {
            who = who.set_username(user);
        }
    }
    let to = to.into_connection_info()?.set_redis_settings(who);
    match certificates {
        Some(certificates) => Client::build_with_tls(to, certificates.clone()),
        None => Client::open(to),
    }
}

fn certificates(files: &Tls) -> Result<TlsCertificates, OpenError> {
    let read = |file: &Path| {
        std::fs::read(file).map_err(|why| OpenError::Tls {
            file: file.to_path_buf(),
            why,
        })
    };
    let client_tls = match &files.identity {
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read(certificate)?,
            client_key: read(key)?,
        }),
        None => None,
    };
    // The driver takes whichever is installed. That there is one already is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(TlsCertificates {
        client_tls,
        root_cert: files.ca.as_deref().map(read).transpose()?,
    })
}
