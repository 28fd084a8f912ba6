//! What every store must do, as sentences: each rule is a function that takes an empty store and panics
//! where the store breaks it. An implementation runs them all with one line in a test file, each as a
//! test of its own name:
//!
//! ```ignore
//! store::contract_tests!(open_an_empty_store);
//! ```
//!
//! where `open_an_empty_store` is an async function whose result dereferences to a [`Store`](crate::Store)
//! (a `Box`, an `Arc`, or a guard that also removes a temporary file).
//!
//! A new rule is a `pub async fn` in one of the files here and a line in the list below; a test keeps
//! the two alike.

pub mod access;
pub mod cdrs;
pub mod commands;
pub mod dead_letters;
pub mod logs;
pub mod power;
pub mod sample;
pub mod session_lists;
pub mod sessions;
pub mod sites;
pub mod stations;
pub mod tokens;

use crate::{Page, PageRequest};

/// Makes one test of each rule; see [`crate::contract`].
#[macro_export]
macro_rules! contract_tests {
    ($open:path) => {
        $crate::contract_tests! { @list $open;
            access {
                a_key_is_found_by_its_hash
                a_key_of_a_known_hash_is_not_written
                keys_are_listed_the_oldest_first
                deleting_a_prefix_forgets_its_keys
            }
            cdrs {
                a_record_is_created_once_and_read_back_as_it_was
                a_record_that_says_something_else_is_never_put_in_the_place_of_another
                one_record_created_many_times_at_once_is_there_once
                a_record_without_a_number_for_its_energy_is_not_written
                records_are_found_by_session_station_token_and_time
                records_come_newest_first_in_pages
                a_session_is_to_be_recorded_from_its_end_until_it_is
                a_session_that_changed_meanwhile_is_still_to_be_recorded
                sessions_to_record_come_newest_first_in_pages
            }
            commands {
                a_command_is_kept_in_its_latest_state
                a_final_command_is_never_replaced_by_an_unfinished_one
                a_final_command_may_be_replaced_by_a_final_one
                the_commands_of_a_station_come_newest_first
                unfinished_commands_are_brought_to_their_end
            }
            dead_letters {
                a_dead_letter_is_kept_as_it_was_sent
                a_repeated_dead_letter_is_answered_with_the_first
                the_same_letter_sent_many_times_at_once_is_kept_once
                stations_may_share_the_key_of_a_dead_letter
                dead_letters_come_newest_first_in_pages
                a_dead_letter_cursor_stays_valid_while_letters_come_and_go
                a_forgotten_dead_letter_may_come_again
            }
            logs {
                messages_come_back_as_they_went_in_the_newest_first
                a_message_filter_wants_all_it_names
                message_text_is_found_without_regard_to_ascii_case
                a_message_cursor_stays_valid_while_rows_are_added
                pruning_messages_deletes_the_oldest_and_no_more_than_told
                messages_out_of_order_are_pruned_by_their_time
                notices_come_back_by_action_the_newest_first
                pruning_notices_deletes_the_oldest_and_no_more_than_told
                a_repeated_reading_changes_nothing
                readings_come_newest_first_in_pages
                a_text_that_is_no_cursor_gives_an_empty_page
            }
            power {
                what_a_sites_power_is_managed_by_is_kept_and_taken_away
                of_two_memories_of_a_site_the_newer_stays
                a_site_that_is_forgotten_takes_its_power_along
                sites_with_power_come_ascending_in_pages
            }
            session_lists {
                sessions_come_newest_first_in_pages
                sessions_are_filtered_by_station_token_and_state_together
                a_session_leaves_the_list_of_open_ones_when_it_ends
                a_session_cursor_stays_valid_while_sessions_begin
                the_log_of_a_session_comes_in_the_order_it_was_written
            }
            sessions {
                a_written_session_is_read_back_as_it_was
                numbers_and_times_come_back_exactly
                a_repeated_key_writes_nothing_and_names_the_session
                a_key_is_unique_within_its_station_only
                a_repeat_that_would_begin_a_session_names_the_first_one
                a_stale_epoch_is_refused
                a_repeat_is_told_even_to_a_stale_owner
                an_epoch_may_stay_or_rise
                a_taken_transaction_name_is_reported
                a_transaction_name_is_unique_within_its_station_only
                a_session_cannot_change_its_name_or_its_station
                a_session_without_a_number_for_its_energy_is_not_written
                a_refused_commit_leaves_no_trace
                many_commits_at_once_are_all_there
                one_key_sent_many_times_at_once_is_written_once
            }
            sites {
                a_site_is_kept_and_forgotten
                a_replaced_site_keeps_when_it_was_made
                sites_come_ascending_in_pages
            }
            stations {
                a_new_station_is_read_back_as_it_was
                a_known_station_is_not_created_again
                configuring_leaves_what_the_station_said
                what_a_station_says_is_kept
                nothing_is_kept_of_an_unknown_station
                an_outlet_has_one_row_and_the_last_word_stays
                a_deleted_station_takes_its_outlets_along_and_leaves_its_sessions
                stations_come_ascending_in_pages
                stations_are_found_by_site_and_by_text
                hydration_brings_all_a_charger_starts_with
                hydration_of_a_stranger_is_empty
                only_numbers_the_hub_handed_out_count_as_the_last
            }
            tokens {
                token_lookup_ignores_case
                a_token_replaces_one_that_differs_in_case_only
                a_token_is_forgotten_without_regard_to_case
                tokens_come_ascending_in_pages
                open_sessions_are_counted_without_regard_to_case
                open_sessions_of_a_group_count_for_each_of_its_tokens
                a_token_counts_for_its_group_before_it_is_kept
            }
        }
    };
    (@list $open:path; $($area:ident { $($rule:ident)* })*) => {
        $($(
            #[tokio::test]
            async fn $rule() {
                let store = $open().await;
                $crate::contract::$area::$rule(&*store).await;
            }
        )*)*
    };
}

/// Reads a list to its end in pages of `limit`, and checks that no page is longer.
///
/// # Panics
/// When a page is too long, or an empty one claims that another follows.
pub async fn walk<T, R>(limit: u32, read: impl Fn(PageRequest) -> R) -> Vec<T>
where
    R: Future<Output = Result<Page<T>, crate::ReadError>>,
{
    let mut request = PageRequest::first(limit);
    let mut all = Vec::new();
    loop {
        let page = read(request.clone()).await.expect("the list can be read");
        assert!(page.items.len() <= limit as usize, "a page is too long");
        assert!(
            page.next.is_none() || !page.items.is_empty(),
            "an empty page claims that another follows"
        );
        all.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return all,
        }
    }
}

/// Polls all the futures together until each is done; their results in order.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use crate::MemoryStore;

    async fn twin() -> Box<MemoryStore> {
        Box::new(MemoryStore::new())
    }

    contract_tests!(twin);

    #[test]
    fn every_rule_stands_in_the_list() {
        let list = include_str!("mod.rs");
        for file in [
            include_str!("access.rs"),
            include_str!("cdrs.rs"),
            include_str!("commands.rs"),
            include_str!("dead_letters.rs"),
            include_str!("logs.rs"),
            include_str!("power.rs"),
            include_str!("session_lists.rs"),
            include_str!("sessions.rs"),
            include_str!("sites.rs"),
            include_str!("stations.rs"),
            include_str!("tokens.rs"),
        ] {
            let rules: Vec<&str> = file
                .split("\npub async fn ")
                .skip(1)
                .filter_map(|after| after.split(['<', '(']).next())
                .collect();
            assert!(!rules.is_empty());
            for rule in rules {
                assert!(list.contains(&format!(" {rule}\n")), "{rule} is not listed");
            }
        }
    }
}
