//! Charge detail records: what was charged, once a session is over. Written once and never changed; what turns out
//! otherwise later is cancelled by a credit and recorded anew. The words are those of OCPI 2.2.1's module CDRs where
//! they fit; there is no price yet.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Authorization, CdrId, ConnectorRef, Flag, Session, SessionId, SiteId, StationId, Timestamp,
    TokenRef,
};

/// What was charged in a session that is over, or the cancelling of a record that said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChargeDetailRecord {
    /// Its id, made from the session and the number.
    pub id: CdrId,
    /// The session.
    pub session: SessionId,
    /// Which of the session's records it is: 1, or where a record before was cancelled, 3, 5 and so on. The even ones
    /// are credits.
    pub number: u32,
    /// The record that this one cancels (OCPI `credit_reference_id`): all but the sign of the energy is as there.
    pub credits: Option<CdrId>,
    /// The station.
    pub station: StationId,
    /// The site the station stood at when the session began.
    pub site: Option<SiteId>,
    /// The outlet; absent where no message named it.
    pub connector: Option<ConnectorRef>,
    /// Who charged.
    pub token: Option<TokenRef>,
    /// What the hub said to the token.
    pub authorization: Option<Authorization>,
    /// When the session began (OCPI `start_date_time`).
    pub started_at: Timestamp,
    /// When it ended (OCPI `end_date_time`).
    pub ended_at: Timestamp,
    /// From start to end in seconds (OCPI `total_time`, there in hours).
    pub duration_s: i64,
    /// Energy delivered in Wh (OCPI `total_energy`, there in kWh); of a credit, zero or less.
    pub energy_wh: f64,
    /// The import register when the session began, in Wh; absent where not told.
    pub meter_start_wh: Option<f64>,
    /// The last reading of the import register, in Wh.
    pub meter_last_wh: Option<f64>,
    /// When `meter_last_wh` was taken.
    pub meter_last_at: Option<Timestamp>,
    /// Why the session ended, as the station said.
    pub stop_reason: Option<String>,
    /// What was odd about the session: a reason to look before it is billed.
    pub flags: BTreeSet<Flag>,
    /// When the hub made it.
    pub created_at: Timestamp,
}

impl ChargeDetailRecord {
    /// The record of a session that is over.
    pub fn of(session: &Session, number: u32, created_at: Timestamp) -> Self {
        Self {
            id: CdrId::of(session.id, number),
            session: session.id,
            number,
            credits: None,
            station: session.station.clone(),
            site: session.site.clone(),
            connector: session.connector,
            token: session.token.clone(),
            authorization: session.authorization,
            started_at: session.started_at,
            // All that ends a session says when; a row of old may not.
            ended_at: session.ended_at.unwrap_or(session.updated_at),
            duration_s: session.duration_s,
            energy_wh: session.energy_wh,
            meter_start_wh: session.meter_start_wh,
            meter_last_wh: session.meter_last_wh,
            meter_last_at: session.meter_last_at,
            stop_reason: session.stop_reason.clone(),
            flags: session.flags.clone(),
            created_at,
        }
    }

    /// The record that cancels this one; it bears the next number.
    pub fn credit(&self, created_at: Timestamp) -> Self {
        let number = self.number.saturating_add(1);
        Self {
            id: CdrId::of(self.session, number),
            number,
            credits: Some(self.id),
            energy_wh: -self.energy_wh,
            created_at,
            ..self.clone()
        }
    }

    /// Whether it says the same, whenever either was made.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let created_at = self.created_at;
        *self
            == Self {
                created_at,
                ..other.clone()
            }
    }
}
