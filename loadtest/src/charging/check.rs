//! What is refused, and why.

use super::allowed::Transaction;
use super::{Build, ChargingProfile, HIGHEST_LEVEL, Kind, MOST_PERIODS, Purpose, Refusal};
use crate::version::Version;

/// Whether a profile may come with a remote start at this EVSE: one for the transaction that begins, which has no name yet
/// (1.6 §5.11, K05).
pub(crate) fn may_come_with_start(build: Build<'_>, evse: u32, profile: &ChargingProfile) -> bool {
    profile.purpose == Purpose::Tx
        && profile.transaction.is_none()
        && check(build, evse, profile).is_ok()
}

/// What is wrong with a profile whatever else is there.
pub(super) fn check(build: Build<'_>, evse: u32, profile: &ChargingProfile) -> Result<(), Refusal> {
    let faults = build.faults;
    let starts: Vec<i64> = profile.periods.iter().map(|it| it.start_s).collect();
    let is_v2 = build.version != Version::V16;
    // 1.6 lets an absolute schedule without a start begin with the transaction.
    let start_is_wrong = match profile.kind {
        Kind::Daily | Kind::Weekly => profile.start_ms.is_none(),
        Kind::Absolute => is_v2 && profile.start_ms.is_none(),
        Kind::Relative => is_v2 && profile.start_ms.is_some(),
    };
    let limits_are_good =
        (profile.periods.iter()).all(|it| it.limit.is_finite() && it.limit >= 0.0);
    let phases_are_good =
        (profile.periods.iter()).all(|it| it.phases.is_none_or(|phases| (1..=3).contains(&phases)));
    let on_the_station = profile.purpose == Purpose::StationMax;
    for (wrong, reason) in [
        (faults.rejects, "UnspecifiedReason"),
        (evse > build.evses, "UnknownEVSE"),
        (profile.purpose == Purpose::External, "InvalidProfile"),
        (on_the_station && evse != 0, "InvalidProfile"),
        (
            on_the_station && profile.kind == Kind::Relative,
            "InvalidProfile",
        ),
        (
            profile.purpose == Purpose::Tx && evse == 0,
            "InvalidProfile",
        ),
        (
            !(0..=HIGHEST_LEVEL).contains(&profile.stack_level),
            "InvalidStackLevel",
        ),
        (!build.takes(profile.unit), "UnsupportedRateUnit"),
        (start_is_wrong, "InvalidSchedule"),
        (starts.len() > MOST_PERIODS, "InvalidSchedule"),
        (starts.first() != Some(&0), "InvalidSchedule"),
        (!starts.is_sorted_by(|a, b| a < b), "InvalidSchedule"),
        (!limits_are_good || !phases_are_good, "InvalidSchedule"),
    ] {
        if wrong {
            return Err(Refusal(reason));
        }
    }
    Ok(())
}

/// The session that a TxProfile is for.
pub(super) fn session_of(
    build: Build<'_>,
    evse: u32,
    profile: &ChargingProfile,
    running: Option<&Transaction<'_>>,
) -> Result<Option<u32>, Refusal> {
    if profile.purpose != Purpose::Tx || evse == 0 {
        return Ok(None);
    }
    let Some(running) = running else {
        return if build.faults.takes_any_tx {
            Ok(None)
        } else {
            Err(Refusal("TxNotFound"))
        };
    };
    match &profile.transaction {
        // In 2.x it must be named (K01.FR.03).
        None if build.version != Version::V16 => Err(Refusal("MissingParam")),
        // Firmware of 1.6 that has not learnt the number yet knows no other transaction than the one that runs.
        Some(id) if running.id.is_some_and(|own| own != id) && !build.faults.takes_any_tx => {
            Err(Refusal("TxNotFound"))
        }
        _ => Ok(Some(running.session)),
    }
}
