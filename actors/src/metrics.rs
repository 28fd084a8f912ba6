//! Every metric of this crate: name, unit, help. Never a charger's id as a label.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Stations whose socket is open here.
pub(crate) const STATIONS_CONNECTED: &str = "switchyard_stations_connected";
/// Sessions that an actor here holds open.
pub(crate) const SESSIONS_ACTIVE: &str = "switchyard_sessions_active";
/// Actors that crashed, by `kind` (charger, session, site, shard).
pub(crate) const ACTOR_CRASHES: &str = "switchyard_actor_crashes_total";
/// Actors put in quarantine, by `kind`.
pub(crate) const QUARANTINES: &str = "switchyard_quarantines_total";
/// Session commits, by `outcome` (written, repeat, not_written, unknown, stale).
pub(crate) const SESSION_COMMITS: &str = "switchyard_session_commits_total";
/// Sessions the hub closed because their station did not, by `reason` (superseded, outlet_free, silent,
/// station_away, station_deleted).
pub(crate) const SESSIONS_CLOSED_BY_HUB: &str = "switchyard_sessions_closed_by_hub_total";
/// Charge detail records created by this node, by `kind` (record, credit).
pub(crate) const CDRS_CREATED: &str = "switchyard_cdrs_created_total";
/// Charge detail records that were not created because the one of their number says something else.
pub(crate) const CDRS_DIFFERENT: &str = "switchyard_cdrs_different_total";
/// Sessions that are over and not recorded yet, of the shards of this node, as the last sweep left them.
pub(crate) const CDRS_DUE: &str = "switchyard_cdrs_due";
/// How long ago the first of those last changed, in seconds.
pub(crate) const CDRS_OLDEST_DUE_SECONDS: &str = "switchyard_cdrs_oldest_due_seconds";
/// Authorizations, by `verdict`.
pub(crate) const AUTHORIZATIONS: &str = "switchyard_authorizations_total";
/// How long stations were away that came back, in seconds.
pub const AWAY_SECONDS: &str = "switchyard_station_away_seconds";
/// Sockets replaced by a newer one of the same station.
pub(crate) const SOCKETS_REPLACED: &str = "switchyard_sockets_replaced_total";

/// Grants sent to stations, by `direction` (up, down, same).
pub(crate) const POWER_GRANTS: &str = "switchyard_power_grants_total";
/// How long it took from sending a decrease until a meter showed it, in seconds.
pub(crate) const POWER_DECREASE_SECONDS: &str = "switchyard_power_decrease_seconds";
/// How often outlets were seen to draw more than a limit of their site allows.
pub(crate) const POWER_VIOLATIONS: &str = "switchyard_power_violations_total";
/// Outlets of managed sites that cannot be limited, as far as is known.
pub(crate) const POWER_UNLIMITED: &str = "switchyard_power_unlimited_outlets";
/// Messages with news of stations, to nodes that act for their sites, by `outcome` (heard, unheard).
pub(crate) const SITE_NEWS: &str = "switchyard_site_news_messages_total";
/// Commands of sites that were refused, because the station stands elsewhere or another node acts for the site.
pub(crate) const SITE_ASKS_REFUSED: &str = "switchyard_site_commands_refused_total";

/// Tells the recorder what the metrics of this crate mean.
pub fn describe() {
    describe_gauge!(
        STATIONS_CONNECTED,
        Unit::Count,
        "Stations whose socket is open here."
    );
    describe_gauge!(
        SESSIONS_ACTIVE,
        Unit::Count,
        "Sessions that an actor here holds open."
    );
    describe_counter!(ACTOR_CRASHES, Unit::Count, "Actors that crashed, by kind.");
    describe_counter!(
        QUARANTINES,
        Unit::Count,
        "Actors put in quarantine, by kind."
    );
    describe_counter!(SESSION_COMMITS, Unit::Count, "Session commits, by outcome.");
    describe_counter!(
        SESSIONS_CLOSED_BY_HUB,
        Unit::Count,
        "Sessions the hub closed because their station did not, by reason."
    );
    describe_counter!(
        CDRS_CREATED,
        Unit::Count,
        "Charge detail records created, by kind (record, credit: cancels one that turned out otherwise)."
    );
    describe_counter!(
        CDRS_DIFFERENT,
        Unit::Count,
        "Charge detail records not created because the one of their number says something else; the next sweep goes on from that."
    );
    describe_gauge!(
        CDRS_DUE,
        Unit::Count,
        "Sessions that are over and not recorded yet, of the sites of this hub, as the last sweep left them."
    );
    describe_gauge!(
        CDRS_OLDEST_DUE_SECONDS,
        Unit::Seconds,
        "How long ago the first of the sessions not recorded yet last changed; not much more than charging.record_after_ms, unless records cannot be made."
    );
    describe_counter!(AUTHORIZATIONS, Unit::Count, "Authorizations, by verdict.");
    describe_histogram!(
        AWAY_SECONDS,
        Unit::Seconds,
        "How long stations were away that came back: since their socket closed (after a crash of the hub: since it opened)."
    );
    describe_counter!(
        POWER_GRANTS,
        Unit::Count,
        "Grants of power sent to stations, by direction (up, down, same: renewed)."
    );
    describe_histogram!(
        POWER_DECREASE_SECONDS,
        Unit::Seconds,
        "How long it took from sending a decrease of power until a meter showed it."
    );
    describe_counter!(
        POWER_VIOLATIONS,
        Unit::Count,
        "How often outlets were seen to draw more than a limit of their site allows."
    );
    describe_gauge!(
        POWER_UNLIMITED,
        Unit::Count,
        "Outlets of managed sites that cannot be limited, as far as is known."
    );
    describe_counter!(
        SITE_NEWS,
        Unit::Count,
        "Messages with news of stations, to the hubs that act for their sites, by outcome (heard, unheard: told anew)."
    );
    describe_counter!(
        SITE_ASKS_REFUSED,
        Unit::Count,
        "Commands of sites that were refused, because the station stands elsewhere or another hub acts for the site by now."
    );
    describe_counter!(
        SOCKETS_REPLACED,
        Unit::Count,
        "Sockets replaced by a newer one of the same station."
    );
}
