//! How a keyspace comes to its schema.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use std::{process, time::Duration};

use scylla::client::{session::Session, session_builder::SessionBuilder};
use store::{SiteStore, contract::sample};
use store_scylla::{OpenError, Options, ScyllaStore};
use tokio::task::JoinSet;

/// A keyspace that nobody has used, and a way to look into it.
async fn fresh(test: &str) -> (Options, Session) {
    let options = common::options(&format!("schema_{test}_{}", process::id()));
    let session = SessionBuilder::new().known_nodes(&options.contact_points);
    (options, session.build().await.expect("the server is there"))
}

async fn run(session: &Session, cql: String) {
    let done = session.query_unpaged(cql.as_str(), ()).await;
    done.unwrap_or_else(|error| panic!("{cql}: {error}"));
}

#[tokio::test]
async fn hubs_that_start_at_once_make_one_schema() {
    let (options, session) = fresh("once").await;
    // The tables of the lock itself have no lock: they are there before a second hub is.
    drop(ScyllaStore::open(&options).await.expect("it opens"));
    let keyspace = &options.keyspace;
    for table in ["sites", "migrations"] {
        run(&session, format!("TRUNCATE {keyspace}.{table}")).await;
    }
    let (one, other) = tokio::join!(ScyllaStore::open(&options), ScyllaStore::open(&options));
    let one = one.unwrap_or_else(|error| panic!("{error}"));
    let other = other.unwrap_or_else(|error| panic!("{error}"));
    one.put_site(sample::site("depot")).await.unwrap();
    let read = other.site(&sample::site_id("depot")).await;
    assert_eq!(read, Ok(Some(sample::site("depot"))));
    run(&session, format!("DROP KEYSPACE {keyspace}")).await;
}

/// Also the tables of the lock itself are made by several then, which no lock keeps apart.
#[tokio::test(flavor = "multi_thread")]
async fn hubs_that_start_at_once_on_a_new_keyspace_all_open_it() {
    for round in 0..4 {
        let (options, session) = fresh(&format!("new{round}")).await;
        let mut hubs = JoinSet::new();
        for hub in 0..6 {
            let options = options.clone();
            hubs.spawn(async move {
                tokio::time::sleep(Duration::from_millis(hub * 40)).await;
                ScyllaStore::open(&options).await
            });
        }
        for opened in hubs.join_all().await {
            let store = opened.unwrap_or_else(|error| panic!("{error}"));
            let written = store.put_site(sample::site("depot")).await;
            written.unwrap_or_else(|error| panic!("{error}"));
        }
        run(&session, format!("DROP KEYSPACE {}", options.keyspace)).await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (options, session) = fresh("newer").await;
    drop(ScyllaStore::open(&options).await.expect("it opens"));
    let keyspace = &options.keyspace;
    let newer = format!("INSERT INTO {keyspace}.migrations (bucket, version) VALUES (0, 1000)");
    run(&session, format!("{newer} IF NOT EXISTS")).await;
    match ScyllaStore::open(&options).await.err() {
        Some(OpenError::Newer { found: 1000, .. }) => {}
        other => panic!("{other:?}"),
    }
    run(&session, format!("DROP KEYSPACE {keyspace}")).await;
}

#[tokio::test]
async fn a_keyspace_with_a_part_of_a_copy_is_refused_until_the_copy_is_done() {
    let (options, session) = fresh("copy").await;
    let store = ScyllaStore::open(&options).await;
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    store.begin_copy("here").await.unwrap();
    store.begin_copy("there").await.unwrap();
    match ScyllaStore::open(&options).await.err() {
        Some(error @ OpenError::HalfCopied { .. }) => {
            let said = error.to_string();
            assert!(said.contains("from here since 20"), "the first: {said}");
            assert!(!error.may_pass(), "{said}");
        }
        other => panic!("{other:?}"),
    }
    let again = ScyllaStore::open_to_copy(&options).await;
    let again = again.unwrap_or_else(|error| panic!("{error}"));
    again.end_copy().await.unwrap();
    drop(ScyllaStore::open(&options).await.expect("it opens"));
    let keyspace = &options.keyspace;
    run(&session, format!("DROP KEYSPACE {keyspace}")).await;
}

#[tokio::test]
async fn a_keyspace_that_is_not_there_is_named() {
    let (mut options, _) = fresh("nowhere").await;
    options.create_with_replicas = None;
    let error = ScyllaStore::open(&options).await.err().expect("an error");
    assert!(error.to_string().contains(&options.keyspace), "{error}");
    options.keyspace = "a; DROP KEYSPACE b".into();
    let error = ScyllaStore::open(&options).await.err().expect("an error");
    assert!(matches!(error, OpenError::BadKeyspace(_)), "{error}");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_named() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nowhere.local_addr().expect("its address").to_string();
    drop(nowhere);
    let options = Options {
        contact_points: vec![address.clone()],
        ..Options::default()
    };
    let error = ScyllaStore::open(&options).await.err().expect("an error");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_datacentre_that_is_not_there_is_named_with_those_that_are() {
    let (mut options, _) = fresh("datacentre").await;
    options.datacenter = Some("elsewhere".into());
    let error = ScyllaStore::open(&options).await.err().expect("an error");
    let said = error.to_string();
    assert!(
        said.contains("\"elsewhere\"; it has: datacenter1."),
        "{said}"
    );
}
