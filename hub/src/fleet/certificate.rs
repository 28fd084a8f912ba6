//! How long this hub's certificate for the others is good. It is read when the hub starts, so that a new one wants a
//! restart; connections that are there go on when it runs out, and no new ones come about.

use std::time::{Duration, SystemTime};

use peer::Security;

use crate::config::Member;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// How long before its end that is told.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// What was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Good,
    EndsSoon,
    Over,
}

/// Tells the log when this hub's certificate ends within two weeks, and when it has ended, for ever.
pub(super) async fn tell_of_its_end(member: &Member) {
    let Security::Mutual(tls) = &member.security else {
        return std::future::pending().await;
    };
    let host = member.host();
    let mut told = Told::Good;
    loop {
        let now = SystemTime::now();
        let is = match (tls.check(host, now), tls.check(host, now + SOON)) {
            (Err(error), _) => (Told::Over, error.to_string()),
            (Ok(()), Err(error)) => (Told::EndsSoon, error.to_string()),
            (Ok(()), Ok(())) => (Told::Good, String::new()),
        };
        ::metrics::gauge!(crate::metrics::PEER_CERTIFICATE_GOOD)
            .set(f64::from(u8::from(is.0 == Told::Good)));
        match is {
            (now, _) if now == told => {}
            (Told::Over, error) => tracing::error!(
                "the certificate of cluster.tls_certificate {error}: no other hub connects to this one any more; put a new one there and start the hub again"
            ),
            (Told::EndsSoon, error) => tracing::warn!(
                "the certificate of cluster.tls_certificate ends within two weeks ({error}): put a new one there and start the hub again before"
            ),
            (Told::Good, _) => {}
        }
        told = is.0;
        tokio::time::sleep(LOOK).await;
    }
}
