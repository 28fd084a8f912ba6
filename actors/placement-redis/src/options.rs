//! Where Redis is, and how to reach it.

use std::{fmt, path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;

/// Where Redis is, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which servers there are.
    pub servers: Servers,
    /// Who we are to the servers. Absent: they ask nobody.
    pub credentials: Option<Credentials>,
    /// Who we are to the Sentinels. Absent: they ask nobody.
    pub sentinel_credentials: Option<Credentials>,
    /// Absent: in clear text.
    pub tls: Option<Tls>,
    /// What all keys and channels begin with. Clusters of hubs that share a Redis have different ones.
    pub prefix: String,
    /// How long a question may take. Short: a socket that opens waits for it, and what is not answered by then
    /// goes on without.
    pub timeout: Duration,
    /// How long it may take to connect, look-ups included.
    pub connect_timeout: Duration,
}

/// Which servers there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// One.
    Single(Address),
    /// Whichever is the master of that name, as these Sentinels say.
    Sentinel {
        /// Some of the Sentinels.
        sentinels: Vec<Address>,
        /// The master's name.
        master: String,
    },
    /// A Redis Cluster, of which these are some nodes.
    Cluster(Vec<Address>),
}

/// A host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; absent: the default one.
    pub user: Option<String>,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().unwrap_or("the default user");
        write!(f, "{user} with a password")
    }
}

/// How the servers are trusted, and how they trust us. Files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who must have signed the servers' certificates. Absent: whom the machine trusts.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, where the servers want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A text that is no URL of Redis servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; write redis://[user:password@]host[:port], redis+sentinel://host[:port],host[:port]/master, or redis+cluster://host[:port],host[:port]; rediss for TLS"
)]
pub struct InvalidUrl(String);

impl Options {
    /// What a URL says, and the defaults for the rest.
    ///
    /// # Errors
    /// [`InvalidUrl`], without the password.
    pub fn from_url(url: &str) -> Result<Self, InvalidUrl> {
        let invalid = |why: &str| InvalidUrl(why.to_owned());
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| invalid("the URL of Redis has no scheme"))?;
        let (protocol, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match protocol {
            "redis" => None,
            "rediss" => Some(Tls::default()),
            _ => return Err(invalid("the URL of Redis has a scheme that is not known")),
        };
        let (us, rest) = match rest.rsplit_once('@') {
            Some((us, rest)) => (Some(us), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let default_port = if kind == "sentinel" { 26379 } else { 6379 };
        let addresses = hosts
            .split(',')
            .map(|host| address(host, default_port))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| invalid("the URL of Redis has a host that cannot be read"))?;
        let servers = match (kind, path, <[Address; 1]>::try_from(addresses.clone())) {
            ("", "", Ok([address])) => Servers::Single(address),
            ("", "", Err(_)) => return Err(invalid("the URL of Redis has more than one host")),
            ("sentinel", "", _) => {
                return Err(invalid(
                    "the URL of Redis does not name the Sentinels' master",
                ));
            }
            ("sentinel", master, _) => Servers::Sentinel {
                sentinels: addresses,
                master: master.to_owned(),
            },
            ("cluster", "", _) => Servers::Cluster(addresses),
            _ => return Err(invalid("the URL of Redis cannot be read")),
        };
        Ok(Self {
            servers,
            credentials: us.map(credentials),
            sentinel_credentials: None,
            tls,
            prefix: "switchyard".to_owned(),
            timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(1),
        })
    }
}

fn credentials(text: &str) -> Credentials {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = text.split_once(':').unwrap_or(("", text));
    Credentials {
        user: (!user.is_empty()).then(|| decoded(user)),
        password: decoded(password),
    }
}

fn address(text: &str, default_port: u16) -> Option<Address> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address stands in brackets.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| Address {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address { host, port }
    }

    #[test]
    fn a_url_says_where_redis_is() {
        let options = Options::from_url("redis://localhost").unwrap();
        assert_eq!(options.servers, Servers::Single(at("localhost", 6379)));
        assert!(options.credentials.is_none() && options.tls.is_none());

        let options = Options::from_url("rediss://hub:p%40ss@[::1]:7000").unwrap();
        assert_eq!(options.servers, Servers::Single(at("::1", 7000)));
        let us = options.credentials.unwrap();
        assert_eq!(
            (us.user.as_deref(), us.password.as_str()),
            (Some("hub"), "p@ss")
        );
        assert!(options.tls.is_some());
        assert!(!format!("{us:?}").contains("p@ss"));

        let options = Options::from_url("redis+sentinel://:pw@a,b:1/main").unwrap();
        let sentinels = vec![at("a", 26379), at("b", 1)];
        let master = "main".to_owned();
        assert_eq!(options.servers, Servers::Sentinel { sentinels, master });
        assert_eq!(options.credentials.unwrap().user, None);

        let options = Options::from_url("redis+cluster://a:1,b:2,c").unwrap();
        let nodes = vec![at("a", 1), at("b", 2), at("c", 6379)];
        assert_eq!(options.servers, Servers::Cluster(nodes));
    }

    #[test]
    fn a_text_that_is_none_says_what_to_write_and_keeps_the_secret() {
        for text in [
            "localhost:6379",
            "http://a",
            "redis://",
            "redis://x:secret@a:port",
            "redis://a,b",
            "redis+sentinel://a",
            "redis+ring://a",
            "redis://a/1",
        ] {
            let error = Options::from_url(text).unwrap_err().to_string();
            assert!(
                error.contains("redis+cluster://") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
