//! One message while it is read: what it may lack, and what was odd about it.
//!
//! A handled message is read up to two times. The first time, the payload is parsed as it is, and a
//! field that should be there and is not ends it with [`Unread::LookCloser`]. Then `crate::inbound`
//! repairs the payload, and the second time what is still missing is noted (transaction messages)
//! or answered with a fault (all others).

use model::{ConnectorRef, Timestamp, TokenKind, TokenRef, TokenUid};
use serde::Deserialize;

use crate::{
    CallFault, ErrorCode,
    repair::{self, Repair},
    time,
    wire::{Text, TransactionNumber},
};

/// Why a message was not read.
pub(crate) enum Unread {
    /// It does not read as it is; a repair may help.
    LookCloser,
    /// It is to be answered with this.
    Fault(CallFault),
}

/// The message at hand.
pub(crate) struct Reading<'a> {
    /// Its payload as the station sent it.
    pub(crate) sent: &'a str,
    /// When the hub received it.
    pub(crate) received_at: Timestamp,
    /// The payload was repaired already: there is no further look.
    repaired: bool,
    /// What was odd about it.
    pub(crate) repairs: Vec<Repair>,
}

impl<'a> Reading<'a> {
    pub(crate) fn first(sent: &'a str, received_at: Timestamp) -> Self {
        Self {
            sent,
            received_at,
            repaired: false,
            repairs: Vec::new(),
        }
    }

    pub(crate) fn after(sent: &'a str, received_at: Timestamp, repairs: Vec<Repair>) -> Self {
        Self {
            sent,
            received_at,
            repaired: true,
            repairs,
        }
    }

    pub(crate) fn note(&mut self, repair: Repair) {
        repair::note(&mut self.repairs, repair);
    }

    pub(crate) fn parse<'t, T: Deserialize<'t>>(&self, payload: &'t str) -> Result<T, Unread> {
        serde_json::from_str(payload).map_err(|_| Unread::LookCloser)
    }

    /// A field of a transaction message: noted where it is missing, never answered with a fault.
    pub(crate) fn expected<T>(&mut self, field: Option<T>) -> Result<Option<T>, Unread> {
        if field.is_none() {
            if !self.repaired {
                return Err(Unread::LookCloser);
            }
            self.note(repair::FIELD_MISSING);
        }
        Ok(field)
    }

    /// A field without which there is nothing to act on.
    pub(crate) fn required<T>(&self, field: Option<T>, name: &str) -> Result<T, Unread> {
        match field {
            Some(value) => Ok(value),
            None if !self.repaired => Err(Unread::LookCloser),
            None => Err(fault(
                ErrorCode::OccurrenceConstraintViolation,
                format!("{name}: is missing or cannot be read"),
            )),
        }
    }

    /// A time; nothing where it cannot be read or its clock was not set.
    pub(crate) fn time(&mut self, text: Option<&Text<'_>>) -> Option<Timestamp> {
        let text = text?;
        if text.is_empty() {
            self.note(repair::QUIRK_12_EMPTY_TIME);
            return None;
        }
        let Some(read) = time::read(text) else {
            self.note(repair::TIME_UNREADABLE);
            return None;
        };
        if let Some(odd) = read.odd {
            self.note(odd);
        }
        if !time::is_set(read.at) {
            self.note(repair::QUIRK_11_CLOCK_NOT_SET);
            return None;
        }
        Some(read.at)
    }

    /// An EVSE or connector number; nothing where it cannot be one.
    pub(crate) fn number(&mut self, number: Option<i64>) -> Option<u32> {
        let fits = u32::try_from(number?).ok();
        if fits.is_none() {
            self.note(repair::FIELD_UNREADABLE);
        }
        fits
    }

    /// The outlet a 1.6 connectorId means.
    pub(crate) fn connector_16(&mut self, connector_id: Option<i64>) -> Option<ConnectorRef> {
        self.number(connector_id).map(ConnectorRef::of_16)
    }

    /// A 1.6 transaction number, in decimal.
    pub(crate) fn transaction_16(&mut self, number: Option<TransactionNumber>) -> Option<String> {
        let number = number.filter(|number| !number.0.is_empty())?;
        if !number.fits() {
            self.note(repair::QUIRK_19_TRANSACTION_NUMBER);
        }
        Some(number.0)
    }

    /// A token; nothing where its uid says nothing. Of garbage as much is kept as a uid may hold,
    /// so that the answer is that the token is not known.
    pub(crate) fn token(&mut self, uid: &str, kind: TokenKind) -> Option<TokenRef> {
        if let Ok(uid) = TokenUid::new(uid) {
            return Some(TokenRef { uid, kind });
        }
        self.note(repair::FIELD_UNREADABLE);
        let printable = uid.chars().filter(|c| !c.is_control());
        let cleaned: String = printable.take(TokenUid::MAX_CHARS).collect();
        let uid = TokenUid::new(&cleaned).ok()?;
        Some(TokenRef { uid, kind })
    }

    /// The payload as sent, where anything was odd about it. To be asked last.
    pub(crate) fn raw(&self) -> Option<String> {
        (!self.repairs.is_empty()).then(|| self.sent.to_owned())
    }
}

pub(crate) fn fault(code: ErrorCode, description: String) -> Unread {
    Unread::Fault(CallFault { code, description })
}
