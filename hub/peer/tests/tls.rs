//! Who has no certificate of the cluster's authority is not spoken to, in either direction.

mod common;

use std::time::Duration;

use common::{Notes, PATIENCE, address, is_reached, listen, message, settings};
use peer::{Answer, AskError, Peers, Security, Settings, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A certificate authority.
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
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for that host and its key.
    fn certify(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn member(&self, host: &str) -> Security {
        self.trusting(self, host)
    }

    /// Certified by this one, trusting another.
    fn trusting(&self, other: &Self, host: &str) -> Security {
        let (certificate, key) = self.certify(host);
        Security::Mutual(Tls::new(&other.pem, &certificate, &key).unwrap())
    }
}

fn hasty() -> Settings {
    Settings {
        patience: Duration::from_millis(500),
        ..settings("a")
    }
}

fn is_unreached(who: &str, answer: Result<Answer, AskError>, expected: &str) {
    let Err(AskError::Unreachable { why, .. }) = answer else {
        panic!("{who}: {answer:?}");
    };
    assert!(why.contains(expected), "{who}: {why}");
}

#[tokio::test]
async fn members_of_a_cluster_speak_with_each_other() {
    let cluster = Authority::new();
    let theirs = cluster.member("127.0.0.1");
    let (_serving, at) = listen(Notes::new(), &theirs, &settings("b")).await;
    let peers = Peers::new(settings("a"), cluster.member("127.0.0.1"));
    assert!(is_reached(&peers, &address("b", at)).await);
}

#[tokio::test]
async fn a_stranger_is_refused_whether_it_asks_or_is_asked() {
    let (cluster, stranger) = (Authority::new(), Authority::new());
    let member = cluster.member("127.0.0.1");
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &member, &settings("b")).await;
    for (who, security, expected) in [
        (
            "certified by another",
            stranger.trusting(&cluster, "127.0.0.1"),
            "not signed by the authority that it trusts",
        ),
        // Whether its refusal comes before the connection is broken off or not.
        ("without TLS", Security::Plain, "(cluster.tls_ca)"),
    ] {
        let asked = message("hello", PATIENCE);
        let answer = Peers::new(hasty(), security)
            .ask(&address("b", at), asked.clone(), None)
            .await;
        is_unreached(who, answer, expected);
        assert_eq!(notes.times(asked.id), 0, "{who}");
    }
    let others = [
        (
            "certified by another",
            stranger.trusting(&cluster, "127.0.0.1"),
            "not signed by",
        ),
        (
            "certified for another host",
            cluster.member("10.0.0.1"),
            "not for 127.0.0.1",
        ),
        ("without TLS", Security::Plain, "does not speak TLS"),
    ];
    for (who, security, expected) in others {
        let notes = Notes::new();
        let (_serving, at) = listen(notes.clone(), &security, &settings("c")).await;
        let asked = message("hello", PATIENCE);
        let answer = Peers::new(hasty(), member.clone())
            .ask(&address("c", at), asked.clone(), None)
            .await;
        is_unreached(who, answer, expected);
        assert_eq!(notes.times(asked.id), 0, "{who}");
    }
}

#[test]
fn what_is_no_certificate_is_said_before_anything_listens() {
    let cluster = Authority::new();
    let (certificate, key) = cluster.certify("127.0.0.1");
    let (_, other_key) = cluster.certify("127.0.0.1");
    for (ca, certificate, key) in [
        ("nonsense", certificate.as_str(), key.as_str()),
        (&cluster.pem, "nonsense", &key),
        (&cluster.pem, &certificate, "nonsense"),
        (&cluster.pem, &certificate, &other_key),
    ] {
        Tls::new(ca, certificate, key).unwrap_err();
    }
}
