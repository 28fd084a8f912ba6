//! Whether this hub is one of many that act as one: where they share who holds what, and where the others
//! reach it.

use std::{net::SocketAddr, path::PathBuf, time::SystemTime};

use serde::{Deserialize, Serialize, Serializer};

/// This hub among others. Without a `redis` it is alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// Where Redis is, the same for all hubs of the cluster: `redis://[user:password@]host[:port]`,
    /// `redis+sentinel://host[:port],host[:port]/master`, `redis+cluster://host[:port],host[:port]`;
    /// `rediss` for TLS. Absent: this hub is alone.
    #[serde(serialize_with = "hidden")]
    pub redis: Option<String>,
    /// A file that holds that URL instead.
    pub redis_file: Option<PathBuf>,
    /// Whom to trust as Redis, where that is not whom the machine trusts (PEM); for `rediss`.
    pub redis_tls_ca: Option<PathBuf>,
    /// Our certificate, where Redis wants one (PEM).
    pub redis_tls_certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub redis_tls_key: Option<PathBuf>,
    /// What all keys in Redis begin with. Clusters of hubs that share a Redis have different ones.
    pub prefix: String,
    /// Where the other hubs reach this one, as `host:port`.
    pub address: Option<String>,
    /// What this hub is called: no two hubs share a name, and it stays when the hub starts again. Absent:
    /// its address.
    pub name: Option<String>,
    /// Where it listens for the other hubs. Absent: at its address, which must then be an IP address and a
    /// port.
    pub listen: Option<SocketAddr>,
    /// Whom hubs trust: the certificate authority of this cluster, and of nothing else (PEM). With it hubs speak TLS and
    /// only with those that have a certificate of it.
    pub tls_ca: Option<PathBuf>,
    /// This hub's certificate, which names the host of its address (PEM).
    pub tls_certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Listen for the other hubs without TLS on an address that is not loopback.
    pub allow_plaintext: bool,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            redis: None,
            redis_file: None,
            redis_tls_ca: None,
            redis_tls_certificate: None,
            redis_tls_key: None,
            prefix: "switchyard".to_owned(),
            address: None,
            name: None,
            listen: None,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
            allow_plaintext: false,
        }
    }
}

/// A hub among others, read from the configuration.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it is called.
    pub name: String,
    /// Where the others reach it, as `host:port`.
    pub address: String,
    /// Where it listens for them.
    pub listen: SocketAddr,
    /// How it speaks with them.
    pub security: peer::Security,
    /// Where Redis is, and how to reach it.
    pub redis: placement_redis::Options,
}

impl Member {
    /// The host where the others reach it.
    pub(crate) fn host(&self) -> &str {
        host_of(&self.address)
    }
}

impl ClusterConfig {
    /// Whether this hub is one of many.
    pub fn is_on(&self) -> bool {
        self.redis.is_some() || self.redis_file.is_some()
    }

    /// What no single value shows: whether a rule is broken, and its words.
    pub(super) fn rules(&self) -> [(bool, &'static str); 10] {
        let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        [
            (
                self.redis.is_some() && self.redis_file.is_some(),
                "cluster.redis and cluster.redis_file are both set; keep one",
            ),
            (
                self.is_on() && self.address.is_none(),
                "cluster.address must say where the other hubs reach this one, as in \"10.0.0.1:9222\"",
            ),
            (
                !self.is_on() && (self.address.is_some() || self.name.is_some()),
                "cluster.address and cluster.name want cluster.redis (or cluster.redis_file), which all hubs of the cluster share",
            ),
            (
                self.address
                    .as_deref()
                    .is_some_and(|address| !is_host_and_port(address)),
                "cluster.address must be a host and a port that is not 0, as in \"10.0.0.1:9222\"",
            ),
            (
                self.address.as_deref().is_some_and(is_everywhere),
                "cluster.address is where the other hubs reach this one, and nobody is reached at 0.0.0.0 or [::]; set it to this machine's own address, as in \"10.0.0.1:9222\", and cluster.listen to \"0.0.0.0:9222\" to listen on all of its addresses",
            ),
            (
                self.listen.is_none()
                    && self
                        .address
                        .as_deref()
                        .is_some_and(|address| address.parse::<SocketAddr>().is_err()),
                "cluster.address has a name for a host; set cluster.listen to the address to listen on, as in \"0.0.0.0:9222\"",
            ),
            (
                !self.name.as_deref().is_none_or(is_word) || !is_word(&self.prefix),
                "cluster.name and cluster.prefix must be words without blanks",
            ),
            (
                self.redis_tls_certificate.is_some() != self.redis_tls_key.is_some(),
                "cluster.redis_tls_certificate and cluster.redis_tls_key belong together; set both or none",
            ),
            (
                self.tls_ca.is_some() != self.tls_certificate.is_some()
                    || self.tls_ca.is_some() != self.tls_key.is_some(),
                "cluster.tls_ca, cluster.tls_certificate and cluster.tls_key belong together; set all or none",
            ),
            (
                self.is_on()
                    && self.tls_ca.is_none()
                    && !self.allow_plaintext
                    && self
                        .listens_at()
                        .is_some_and(|listen| !listen.ip().is_loopback()),
                "the hubs of this cluster would speak with whoever asks, in clear text; set cluster.tls_ca, cluster.tls_certificate and cluster.tls_key, or, in a network of their own, cluster.allow_plaintext = true",
            ),
        ]
    }

    /// This hub among the others; `None` where it is alone.
    ///
    /// # Errors
    /// A file cannot be read, the URL is none, or the other hubs would not believe this one's certificate. The text does
    /// not hold the URL.
    pub fn member(&self) -> Result<Option<Member>, String> {
        let url = match (&self.redis, &self.redis_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).map_err(|error| {
                    format!(
                        "cluster.redis_file {} cannot be read: {error}",
                        file.display()
                    )
                })?;
                text.trim().to_owned()
            }
            (None, None) => return Ok(None),
        };
        let Some(address) = self.address.clone() else {
            return Ok(None);
        };
        let mut redis = placement_redis::Options::from_url(&url)
            .map_err(|error| format!("cluster.redis: {error}"))?;
        redis.prefix = self.prefix.clone();
        match &mut redis.tls {
            Some(tls) => {
                tls.ca = self.redis_tls_ca.clone();
                tls.identity = self
                    .redis_tls_certificate
                    .clone()
                    .zip(self.redis_tls_key.clone());
            }
            None if self.redis_tls_ca.is_some() || self.redis_tls_certificate.is_some() => {
                return Err(
                    "cluster.redis_tls_ca and cluster.redis_tls_certificate want a URL with rediss, which turns TLS on"
                        .to_owned(),
                );
            }
            None => {}
        }
        let security = self.security(&address)?;
        Ok(self.listens_at().map(|listen| Member {
            name: self.name.clone().unwrap_or_else(|| address.clone()),
            address,
            listen,
            security,
            redis,
        }))
    }

    fn listens_at(&self) -> Option<SocketAddr> {
        let address = self.address.as_deref();
        self.listen.or_else(|| address?.parse().ok())
    }

    fn security(&self, address: &str) -> Result<peer::Security, String> {
        let (Some(ca), Some(certificate), Some(key)) =
            (&self.tls_ca, &self.tls_certificate, &self.tls_key)
        else {
            return Ok(peer::Security::Plain);
        };
        let read = |name: &str, file: &PathBuf| {
            std::fs::read_to_string(file).map_err(|error| {
                format!("cluster.{name} {} cannot be read: {error}", file.display())
            })
        };
        let tls = peer::Tls::new(
            &read("tls_ca", ca)?,
            &read("tls_certificate", certificate)?,
            &read("tls_key", key)?,
        );
        let tls = tls.map_err(|error| {
            format!("cluster.tls_ca, cluster.tls_certificate, cluster.tls_key: {error}")
        })?;
        tls.check(host_of(address), SystemTime::now()).map_err(|error| {
            let file = certificate.display();
            format!(
                "the other hubs would not speak with this one, which they reach at cluster.address = {address}: the certificate of cluster.tls_certificate, {file}, {error}"
            )
        })?;
        Ok(peer::Security::Mutual(tls))
    }
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.parse::<u16>().is_ok_and(|port| port != 0);
    is_port && !host.is_empty() && !host.contains(char::is_whitespace)
}

/// An address to listen on, at which nobody is reached.
fn is_everywhere(address: &str) -> bool {
    let address = address.parse::<SocketAddr>();
    address.is_ok_and(|address| address.ip().to_canonical().is_unspecified())
}

/// A URL with a password is shown as set or not.
fn hidden<S: Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "(set)").serialize(serializer)
}
