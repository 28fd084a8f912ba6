//! What every placement must do, as sentences: each rule is a function that panics where a placement breaks it.
//!
//! [`one_node`] is for all, `placement::contract_tests!(open)`, where `open` is an async function that gives a
//! placement. [`nodes`] is for those with many nodes, `placement::cluster_contract_tests!(bench)`, where `bench` is
//! an async function that gives a [`Bench`].

pub mod nodes;
pub mod one_node;

use std::{ops::ControlFlow, time::Duration};

use async_trait::async_trait;
use model::StationId;
use tokio::{sync::mpsc, time::Instant};

use crate::{Event, Placement, Timing};

/// Where nodes can be made that share something, and what they share can fail.
#[async_trait]
pub trait Bench: Send + Sync {
    /// A node of that name, which begins to take part.
    async fn node(&self, name: &str, timing: Timing) -> Box<dyn Placement>;

    /// What is shared answers nobody, or everybody again.
    async fn away(&self, away: bool);

    /// What is shared is forgotten.
    async fn wipe(&self);
}

/// Makes one test of each rule for a placement that is alone.
#[macro_export]
macro_rules! contract_tests {
    ($open:path) => {
        $crate::contract_tests! { @list $open;
            a_claim_is_never_lower_than_told
            a_later_claim_is_higher_and_replaces_the_earlier
            a_released_charger_is_nowhere
            a_release_of_an_older_claim_changes_nothing
            epochs_do_not_go_back_after_a_release
            claims_at_once_have_different_epochs
            chargers_do_not_get_into_each_others_way
            every_shard_is_held_in_the_end
            events_have_one_receiver
            the_view_shows_what_is_held
        }
    };
    (@list $open:path; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let placement = $open().await;
                $crate::contract::one_node::$rule(&*placement).await;
            }
        )*
    };
}

/// Makes one test of each rule for placements with many nodes.
#[macro_export]
macro_rules! cluster_contract_tests {
    ($bench:path) => {
        $crate::cluster_contract_tests! { @list $bench;
            the_newest_socket_wins_and_the_old_one_is_told
            a_claim_tells_whether_another_came_between
            a_charger_is_found_from_every_node
            a_charger_that_hops_is_held_once
            shards_are_spread_and_none_has_two_nodes
            a_node_that_leaves_hands_its_shards_over_first
            what_a_node_has_not_written_is_known_when_it_has_left
            the_shards_of_a_dead_node_go_to_others
            while_it_is_away_claims_are_provisional_and_nodes_are_fenced
            after_a_wipe_claims_and_shards_are_written_down_again
            two_provisional_claims_leave_one_in_the_end
            a_second_process_of_one_name_puts_the_first_out
        }
    };
    (@list $bench:path; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let bench = $bench().await;
                $crate::contract::nodes::$rule(&bench).await;
            }
        )*
    };
}

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(40);

fn station(name: &str) -> StationId {
    StationId::new(name).expect("a name")
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The event that is looked for, with those before it let go.
async fn event<T>(
    events: &mut mpsc::Receiver<Event>,
    what: &str,
    mut look: impl FnMut(Event) -> ControlFlow<T>,
) -> T {
    let find = async {
        loop {
            let event = events.recv().await.expect("the node is there");
            if let ControlFlow::Break(found) = look(event) {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, find).await;
    found.unwrap_or_else(|_| panic!("no such event in {PATIENCE:?}: {what}"))
}
