//! Where chargers connect to: a URL template and credentials.

use std::net::{SocketAddr, ToSocketAddrs};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use thiserror::Error;

/// What must be escaped in a path segment (RFC 3986 §3.3).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'|');

/// A central system's address: `ws://host:port/path/{id}`, and `user:password` for Basic authentication, in both of
/// which `{id}` stands for the charger's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: String,
    address: SocketAddr,
    credentials: Option<String>,
}

/// Why a URL template cannot be used.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not a plain WebSocket URL.
    #[error(
        "`{0}` is not a ws:// URL: write it like ws://127.0.0.1:9220/ocpp/{{id}} (for wss:// put a TLS tunnel in between)"
    )]
    Scheme(String),
    /// No `{id}` in the template, so that all chargers would share one identity.
    #[error(
        "`{0}` lacks `{{id}}`, the place of the charger's identity: write it like ws://127.0.0.1:9220/ocpp/{{id}}"
    )]
    NoIdentity(String),
    /// The host has no address.
    #[error("the host of `{url}` cannot be resolved ({source}): check its spelling")]
    Resolve {
        /// The template.
        url: String,
        /// The resolver's answer.
        source: std::io::Error,
    },
    /// Credentials without a colon.
    #[error("`{0}` is not user:password: write it like {{id}}:secret")]
    Credentials(String),
}

impl Target {
    /// Checks the template and resolves its host once, for all chargers.
    ///
    /// # Errors
    /// Says what is wrong with the template, the host or the credentials.
    pub fn new(url: &str, credentials: Option<&str>) -> Result<Self, TargetError> {
        let rest = url
            .strip_prefix("ws://")
            .ok_or_else(|| TargetError::Scheme(url.to_owned()))?;
        if !url.contains("{id}") {
            return Err(TargetError::NoIdentity(url.to_owned()));
        }
        if let Some(credentials) = credentials.filter(|text| !text.contains(':')) {
            return Err(TargetError::Credentials(credentials.to_owned()));
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let has_port = authority
            .rsplit(':')
            .next()
            .is_some_and(|port| port.parse::<u16>().is_ok());
        let host = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = host
            .to_socket_addrs()
            .and_then(|mut found| {
                found
                    .next()
                    .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "no address"))
            })
            .map_err(|source| TargetError::Resolve {
                url: url.to_owned(),
                source,
            })?;
        Ok(Self {
            url: url.to_owned(),
            address,
            credentials: credentials.map(str::to_owned),
        })
    }

    /// The address that the host resolved to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL template as given.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.url
    }

    /// The URL of one charger, its identity percent-encoded.
    #[must_use]
    pub fn url(&self, identity: &str) -> String {
        self.url
            .replace("{id}", &utf8_percent_encode(identity, SEGMENT).to_string())
    }

    /// The value of the Authorization header of one charger.
    #[must_use]
    pub fn authorization(&self, identity: &str) -> Option<String> {
        let credentials = self.credentials.as_ref()?.replace("{id}", identity);
        Some(format!(
            "Basic {}",
            data_encoding::BASE64.encode(credentials.as_bytes())
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_percent_encoded_in_the_url_but_not_in_the_credentials() {
        let target =
            Target::new("ws://127.0.0.1:9220/ocpp/{id}", Some("{id}:secret")).expect("valid");
        assert_eq!(
            target.url("RDAM|12 3"),
            "ws://127.0.0.1:9220/ocpp/RDAM%7C12%203"
        );
        assert_eq!(
            target.authorization("CP1").as_deref(),
            Some("Basic Q1AxOnNlY3JldA==")
        );
    }

    #[test]
    fn a_url_without_port_means_port_80() {
        let target = Target::new("ws://127.0.0.1/{id}", None).expect("valid");
        assert_eq!(target.address().port(), 80);
    }

    #[test]
    fn bad_templates_say_how_to_write_them() {
        for (url, credentials) in [
            ("http://127.0.0.1/{id}", None),
            ("ws://127.0.0.1/ocpp", None),
            ("ws://127.0.0.1/{id}", Some("secret")),
        ] {
            let error = Target::new(url, credentials).expect_err(url).to_string();
            assert!(error.contains("write it like"), "{error}");
        }
    }
}
