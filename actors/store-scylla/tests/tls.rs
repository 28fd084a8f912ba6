//! TLS to the cluster.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use std::path::{Path, PathBuf};

use store::{SiteStore, contract::sample};
use store_scylla::{OpenError, Options, ScyllaStore, Tls};

/// A certificate that signed nothing.
const NOBODY: &str = "-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUFLYmcM6gJPNpwaQecA7WS1AhqBcwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyNTExMDA0MFoYDzIxMjYxMTAxMTEw
MDQwWjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAS7hqP774UmXwizrDyami7dSqX8MFUlma5GawrGcy2z467oxMDX28GP08fpp2e0
kyrG+G/FlXr57LEmAObcgArEo1MwUTAdBgNVHQ4EFgQU6o1R5vGJ+MR/o9YET7WV
5cq/dUowHwYDVR0jBBgwFoAU6o1R5vGJ+MR/o9YET7WV5cq/dUowDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA4AKiOoWxGEZ8D5MqlOB72gbOD2+i
dwSFJ7J7gau63lACIH892IgWgX8+OTkpscFq4+vmFP3UkZweJ17NMP70DcTU
-----END CERTIFICATE-----
";

fn trusting(ca: &Path) -> Options {
    Options {
        tls: Some(Tls {
            ca: ca.to_owned(),
            identity: None,
        }),
        ..common::options("tls")
    }
}

#[tokio::test]
async fn nodes_are_trusted_by_who_signed_them() {
    let ca = std::env::var("CQL_CA").expect("CQL_CA is a file: see deploy/dev/cql env");
    let store = ScyllaStore::open(&trusting(Path::new(&ca))).await;
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    store.put_site(sample::site("depot")).await.unwrap();
    let read = store.site(&sample::site_id("depot")).await;
    assert_eq!(read, Ok(Some(sample::site("depot"))));
}

#[tokio::test]
async fn nodes_that_somebody_else_signed_are_not_talked_to() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file: PathBuf = directory.path().join("ca.pem");
    std::fs::write(&file, NOBODY).expect("the file can be written");
    match ScyllaStore::open(&trusting(&file)).await.err() {
        Some(OpenError::Unreachable { why, .. }) => {
            assert!(why.contains("certificate"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("ca.pem");
    for content in [None, Some("")] {
        if let Some(content) = content {
            std::fs::write(&file, content).expect("the file can be written");
        }
        let error = ScyllaStore::open(&trusting(&file)).await.err();
        let error = error.expect("an error").to_string();
        assert!(error.contains("ca.pem"), "{error}");
    }
}
