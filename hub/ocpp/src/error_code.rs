//! CALLERROR codes: one list, two spellings.

use model::Protocol;

/// Why a CALL is answered with a CALLERROR (OCPP-J 1.6 table 7, OCPP 2.0.1 Part 4 §4.3).
/// Named as in 2.0.1; [`ErrorCode::name`] gives the spelling of the station's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The action is not known.
    NotImplemented,
    /// The action is known and not offered, or sent in the wrong direction.
    NotSupported,
    /// The receiver failed.
    InternalError,
    /// The payload does not fit the action.
    ProtocolError,
    /// The sender may not do this now, or at all.
    SecurityError,
    /// The message or payload is not well formed.
    FormatViolation,
    /// A field's value is out of range, too long or not one of its list.
    PropertyConstraintViolation,
    /// A field is missing, or there are too many or too few of it.
    OccurrenceConstraintViolation,
    /// A field is of the wrong JSON type.
    TypeConstraintViolation,
    /// Anything else.
    GenericError,
    /// 2.x: the message type number is not known. 1.6 has no such code and ignores the message.
    MessageTypeNotSupported,
    /// 2.x: the frame itself cannot be read. 1.6 has no such code.
    RpcFrameworkError,
}

impl ErrorCode {
    /// The code as that version spells it. 1.6 writes `Occurence…` with one r, and so must we.
    pub fn name(self, protocol: Protocol) -> &'static str {
        let is_16 = protocol == Protocol::Ocpp16;
        match self {
            Self::NotImplemented => "NotImplemented",
            Self::NotSupported => "NotSupported",
            Self::InternalError => "InternalError",
            Self::ProtocolError => "ProtocolError",
            Self::SecurityError => "SecurityError",
            Self::FormatViolation if is_16 => "FormationViolation",
            Self::FormatViolation => "FormatViolation",
            Self::PropertyConstraintViolation => "PropertyConstraintViolation",
            Self::OccurrenceConstraintViolation if is_16 => "OccurenceConstraintViolation",
            Self::OccurrenceConstraintViolation => "OccurrenceConstraintViolation",
            Self::TypeConstraintViolation => "TypeConstraintViolation",
            Self::MessageTypeNotSupported if !is_16 => "MessageTypeNotSupported",
            Self::RpcFrameworkError if !is_16 => "RpcFrameworkError",
            Self::GenericError | Self::MessageTypeNotSupported | Self::RpcFrameworkError => {
                "GenericError"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_spelt_as_its_version_spells_it() {
        let spelt = |code: ErrorCode| (code.name(Protocol::Ocpp16), code.name(Protocol::Ocpp201));
        assert_eq!(
            spelt(ErrorCode::FormatViolation),
            ("FormationViolation", "FormatViolation")
        );
        assert_eq!(
            spelt(ErrorCode::OccurrenceConstraintViolation),
            (
                "OccurenceConstraintViolation",
                "OccurrenceConstraintViolation"
            )
        );
        assert_eq!(
            spelt(ErrorCode::RpcFrameworkError),
            ("GenericError", "RpcFrameworkError")
        );
    }
}
