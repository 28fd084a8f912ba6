//! A hub that outgrows its file moves to a cluster.

use std::process::{Output, Stdio};

use store::{Inventory, PageRequest, TokenStore, contract::sample};
use store_scylla::ScyllaStore;
use store_sqlite::{Options, SqliteStore};
use tests::{HubProcess, until};

fn copy(hub: &HubProcess) -> Output {
    hub.command().args(["store", "copy"]).output().unwrap()
}

/// The file of a hub that remembered in one.
fn file_of(hub: &HubProcess) -> SqliteStore {
    let file = hub.data_dir().join("hub.sqlite");
    SqliteStore::open(&file, &Options::default()).unwrap()
}

#[tokio::test]
async fn all_that_a_hub_remembers_in_its_file_is_copied_to_a_cluster_once() {
    let mut hub = HubProcess::start(&[]);
    let (done, said) = told(copy(&hub));
    assert!(!done && said.contains("hub.sqlite; set data.dir"), "{said}");
    hub.kill();
    let old = file_of(&hub);
    sample::something_of_all(&old).await;
    let (done, said) = told(copy(&hub));
    assert!(done, "{said}");
    assert!(
        said.contains("2 stations") && said.contains("4 sessions of 6 entries and 2.469000 kWh"),
        "{said}"
    );
    let new = hub.remembers().await;
    assert_eq!(
        Inventory::take(&new).await.unwrap(),
        Inventory::take(&old).await.unwrap()
    );
    let (again, said) = told(copy(&hub));
    assert!(
        !again && said.contains("the new store is not empty"),
        "{said}"
    );
}

#[tokio::test]
async fn no_hub_starts_on_a_copy_that_was_killed_amid_until_it_was_run_again() {
    let mut hub = HubProcess::start(&[]);
    hub.kill();
    let old = file_of(&hub);
    sample::something_of_all(&old).await;
    // They are copied one by one, after the stations with their logs.
    for number in 0..400 {
        let token = sample::token(&format!("CARD-{number}"), None);
        old.put_token(token).await.unwrap();
    }
    let copying = hub.command().args(["store", "copy"]).spawn();
    let mut copying = copying.unwrap();
    let new = ScyllaStore::open_to_copy(&hub.keyspace()).await.unwrap();
    until("some of it has arrived", || async {
        let tokens = new.tokens(PageRequest::first(1)).await.unwrap();
        (!tokens.items.is_empty()).then_some(())
    })
    .await;
    copying.kill().unwrap();
    copying.wait().unwrap();
    let part = Inventory::take(&new).await.unwrap();
    assert!(part.tokens < 400, "it was killed too late: {part}");

    let started = hub.command().stdout(Stdio::null()).output().unwrap();
    let (runs, said) = told(started);
    assert!(
        !runs && said.contains("run `hub store copy` again"),
        "{said}"
    );
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    let (done, said) = told(copy(&hub));
    assert!(done, "{said}");
    assert_eq!(
        Inventory::take(&new).await.unwrap(),
        Inventory::take(&old).await.unwrap()
    );
    hub.start_again();
    assert_eq!(new.unfinished_copy().await, Ok(None));
}

fn told(output: Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
