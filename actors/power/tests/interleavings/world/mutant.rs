//! Controllers that are wrong in one way.

/// Controllers that are wrong in one way; the judge must find them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The real one.
    None,
    /// Takes what it lowers for lowered at once, so that increases need not wait.
    IncreasesFirst,
    /// Takes an outlet that is offline for one that draws no more than its floor.
    OfflineIsNothing,
    /// Takes what was granted off the books when it is accepted.
    AcceptedIsDone,
    /// Grants right after a restart.
    LearnsNothing,
    /// Grants without remembering it for the next one, which believes its memory.
    RemembersLess,
    /// Knows no clock but its own.
    ClocksAgree,
    /// Knows a coming limit when it is there.
    LooksNotAhead,
    /// Takes a grant that lasts from when it is taken for one that does so from when it is sent.
    EndsAsSent,
    /// Takes grants for over that are kept offline.
    EndsOffline,
    /// Begins anew when the plan changes, as if nothing had been granted.
    ForgetsAtReplan,
}

impl Mutant {
    pub(crate) const ALL: [Self; 10] = [
        Self::EndsAsSent,
        Self::EndsOffline,
        Self::IncreasesFirst,
        Self::OfflineIsNothing,
        Self::AcceptedIsDone,
        Self::LearnsNothing,
        Self::RemembersLess,
        Self::ClocksAgree,
        Self::LooksNotAhead,
        Self::ForgetsAtReplan,
    ];
}
