//! What the installed profiles allow at one moment.

use super::profile::{Period, Purpose};
use super::{ChargingProfile, Installed};
use crate::evse::Evse;
use crate::faults::RateUnit;

/// A limit as an EVSE obeys it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    /// Amperes per phase.
    pub(crate) amps: f64,
    /// How many phases may be used.
    pub(crate) phases: u8,
}

/// The transaction at an EVSE.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transaction<'a> {
    /// The charger's own number of it.
    pub(crate) session: u32,
    /// What the central system calls it, once known.
    pub(crate) id: Option<&'a str>,
    /// When it began, in ms since 1970.
    pub(crate) began_ms: i64,
}

/// The profile and period that hold for one purpose: of the highest stack level that says anything at this time.
type Holding<'a> = Option<(&'a ChargingProfile, &'a Period)>;

/// What an EVSE may take, of which `sharing` share the station's maximum; none where no profile says anything.
pub(super) fn at(
    installed: &[Installed],
    build: &Evse,
    evse: u32,
    transaction: Option<&Transaction<'_>>,
    sharing: u32,
    at_ms: i64,
) -> Option<Limit> {
    let began_ms = transaction.map(|it| it.began_ms);
    let station = highest(
        installed,
        Purpose::StationMax,
        |it| it.evse == 0,
        began_ms,
        at_ms,
    );
    let own = transaction.and_then(|running| {
        let its = |it: &Installed| it.evse == evse && it.session == Some(running.session);
        highest(installed, Purpose::Tx, its, began_ms, at_ms)
    });
    let default = |number: u32| {
        highest(
            installed,
            Purpose::TxDefault,
            |it| it.evse == number,
            began_ms,
            at_ms,
        )
    };
    // One's own TxProfile stands in for the default, the default of the EVSE for that of the station.
    let session = own.or_else(|| default(evse)).or_else(|| default(0));
    let phases = [station, session]
        .into_iter()
        .flatten()
        .map(|(_, period)| period.phases.unwrap_or(3))
        .fold(build.phases, u8::min);
    let station = station.map(|holding| amps(holding, build, phases) / f64::from(sharing.max(1)));
    let session = session.map(|holding| amps(holding, build, phases));
    let amps = match (station, session) {
        (Some(station), Some(session)) => station.min(session),
        (one, other) => one.or(other)?,
    };
    Some(Limit { amps, phases })
}

/// What the station as a whole may take; none where no profile says anything.
pub(super) fn station_at(installed: &[Installed], build: &Evse, at_ms: i64) -> Option<Limit> {
    let holding = highest(
        installed,
        Purpose::StationMax,
        |it| it.evse == 0,
        None,
        at_ms,
    )?;
    let phases = holding.1.phases.unwrap_or(3).min(build.phases);
    Some(Limit {
        amps: amps(holding, build, phases),
        phases,
    })
}

fn highest(
    installed: &[Installed],
    purpose: Purpose,
    of: impl Fn(&Installed) -> bool,
    began_ms: Option<i64>,
    at_ms: i64,
) -> Holding<'_> {
    let mut found: Holding<'_> = None;
    for it in installed
        .iter()
        .filter(|it| it.profile.purpose == purpose && !it.suspended && of(it))
    {
        if let Some(period) = it.profile.period_at(began_ms, at_ms)
            && found.is_none_or(|(best, _)| it.profile.stack_level > best.stack_level)
        {
            found = Some((&it.profile, period));
        }
    }
    found
}

/// A limit per phase. Watts are what all phases in use take together.
fn amps((profile, period): (&ChargingProfile, &Period), build: &Evse, phases: u8) -> f64 {
    match profile.unit {
        RateUnit::Amperes => period.limit,
        RateUnit::Watts => period.limit / build.volts / f64::from(phases.max(1)),
    }
}
