//! Whether other nodes will believe this one's certificate, found out as they do, before anybody is asked.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use model::Timestamp;
use rustls::{
    CertificateError, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// A certificate with its chain, and whom nodes trust; all that others see of a node.
#[derive(Clone)]
pub(crate) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    authorities: Arc<RootCertStore>,
}

impl Shown {
    /// From PEM texts; what is none is left out.
    pub(crate) fn new(ca: &str, certificate: &str) -> Self {
        let read = |pem: &str| -> Vec<_> {
            let found = CertificateDer::pem_slice_iter(pem.as_bytes());
            found.filter_map(Result::ok).collect()
        };
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(read(ca));
        Self {
            chain: read(certificate),
            authorities: Arc::new(authorities),
        }
    }

    /// Whether others believe it of a node at that host, at that time; in words why not, which go on from "the
    /// certificate".
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, host: &str, now: SystemTime) -> Result<(), String> {
        let words = |error| match error {
            Error::InvalidCertificate(error) => words(&error),
            error => format!("cannot be used: {error}"),
        };
        let (own, chain) = self.chain.split_first().ok_or("is none")?;
        let host = ServerName::try_from(host.trim_matches(['[', ']']))
            .map_err(|_| format!("cannot be for {host:?}, which is no name of a host"))?;
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let (roots, provider) = (&self.authorities, Arc::new(aws_lc_rs::default_provider()));
        let unusable = |error| format!("cannot be checked: {error}");
        let asking =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider));
        let asking = asking.build().map_err(unusable)?;
        let asked = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider);
        let asked = asked.build().map_err(unusable)?;
        // Others ask this node, and are asked by it.
        asking
            .verify_server_cert(own, chain, &host, &[], now)
            .map_err(words)?;
        let as_client = asked.verify_client_cert(own, chain, now);
        as_client.map(drop).map_err(words)
    }
}

/// What is wrong with a certificate, in words that go on from "the certificate".
pub(crate) fn words(error: &CertificateError) -> String {
    let at = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp(seconds.saturating_mul(1_000))
    };
    match error {
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("expired at {}", at(not_after))
        }
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "is not valid before {}, and the clock here says {}",
            at(not_before),
            at(time)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "is not for {}, but for {}",
            expected.to_str(),
            presented.join(", ")
        ),
        CertificateError::NotValidForName => "is for another host".to_owned(),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by the authority of cluster.tls_ca (one in between has to follow it in its file)"
                .to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "must be for both TLS servers and TLS clients (extended key usage)".to_owned()
        }
        error => format!("is not good: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        date_time_ymd,
    };

    use super::*;

    struct Authority {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let pem = params.self_signed(&key).unwrap().pem();
            let issuer = Issuer::new(params, key);
            Self { pem, issuer }
        }

        /// What is said of a certificate of this one for 10.0.0.1, good in the year 2020, by those who trust `trusted`.
        fn said(
            &self,
            trusted: &Self,
            host: &str,
            year: u64,
            purposes: &[ExtendedKeyUsagePurpose],
        ) -> Result<(), String> {
            let mut params = CertificateParams::new(["10.0.0.1".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
            params.extended_key_usages = purposes.to_vec();
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
            let half = Duration::from_secs(182 * 24 * 3600);
            let now = Duration::from_secs((year - 1970) * 31_557_600) + half;
            Shown::new(&trusted.pem, &certificate).check(host, UNIX_EPOCH + now)
        }
    }

    #[test]
    fn a_certificate_is_good_or_told_why_not() {
        let (own, other) = (Authority::new(), Authority::new());
        let said = |year, host| own.said(&own, host, year, &[]);
        assert_eq!(said(2020, "10.0.0.1"), Ok(()));
        let expired = said(2021, "10.0.0.1").unwrap_err();
        assert!(expired.contains("expired at 2021-01-01"), "{expired}");
        let early = said(2019, "10.0.0.1").unwrap_err();
        assert!(early.contains("not valid before 2020-01-01"), "{early}");
        let elsewhere = said(2020, "10.0.0.2").unwrap_err();
        assert!(elsewhere.contains("not for 10.0.0.2"), "{elsewhere}");
        assert!(elsewhere.contains("10.0.0.1"), "{elsewhere}");
        let foreign = own.said(&other, "10.0.0.1", 2020, &[]).unwrap_err();
        assert!(foreign.contains("not signed by"), "{foreign}");
    }

    #[test]
    fn a_certificate_must_do_for_both_sides() {
        let own = Authority::new();
        let (server, client) = (
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        );
        let said = |purposes: &[_]| own.said(&own, "10.0.0.1", 2020, purposes);
        assert_eq!(said(&[server.clone(), client.clone()]), Ok(()));
        for only in [server, client] {
            let why = said(&[only]).unwrap_err();
            assert!(why.contains("both"), "{why}");
        }
    }
}
