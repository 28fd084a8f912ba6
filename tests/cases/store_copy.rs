//! A hub that outgrows its file moves to a cluster.

use std::process::Output;

use store::{Inventory, contract::sample};
use store_sqlite::{Options, SqliteStore};
use tests::HubProcess;

fn copy(hub: &HubProcess) -> Output {
    hub.command().args(["store", "copy"]).output().unwrap()
}

#[tokio::test]
async fn all_that_a_hub_remembers_in_its_file_is_copied_to_a_cluster_once() {
    let mut hub = HubProcess::start(&[]);
    let (done, said) = told(copy(&hub));
    assert!(!done && said.contains("hub.sqlite; set data.dir"), "{said}");
    hub.kill();
    let file = hub.data_dir().join("hub.sqlite");
    let old = SqliteStore::open(&file, &Options::default()).unwrap();
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

fn told(output: Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
