//! In what form a station takes its floor and its grants: each that it refuses, or takes without effect, leads to the next.

use model::{ProfileForm, ProfilePurpose};

use super::{Managed, effect::Effect, lane::Lane};

/// A station of which nothing is known takes at least so many stack levels.
const STACK_LEVELS: u32 = 3;

/// How a floor may be said: its purpose, whether it begins with the transaction, and whether it has the lowest stack level.
type FloorWay = (ProfilePurpose, bool, bool);

/// In the order in which they are tried. A maximum of the station as a whole may not begin with a transaction.
const FLOORS: [FloorWay; 6] = [
    (ProfilePurpose::TxDefault, false, false),
    (ProfilePurpose::TxDefault, false, true),
    (ProfilePurpose::TxDefault, true, false),
    (ProfilePurpose::TxDefault, true, true),
    (ProfilePurpose::StationMax, false, false),
    (ProfilePurpose::StationMax, false, true),
];

/// How a grant may be said: its purpose, whether it begins with the transaction, and whether it ends by its duration.
type GrantWay = (ProfilePurpose, bool, bool);

/// In the order in which they are tried. Last comes the only one whose end is not told as a time.
const GRANTS: [GrantWay; 9] = [
    (ProfilePurpose::Tx, false, false),
    (ProfilePurpose::Tx, false, true),
    (ProfilePurpose::Tx, true, false),
    (ProfilePurpose::TxDefault, false, false),
    (ProfilePurpose::TxDefault, false, true),
    (ProfilePurpose::TxDefault, true, false),
    FLOATING,
    (ProfilePurpose::StationMax, false, false),
    (ProfilePurpose::StationMax, false, true),
];

/// It ends so long after its station took it, whenever that is.
const FLOATING: GrantWay = (ProfilePurpose::Tx, true, true);

impl Lane {
    /// The stack level of its floor: level 0 cannot be cleared at some stations, the highest is refused by others
    /// (quirk 34).
    pub(super) fn floor_level(&self) -> u32 {
        match self.form.is_lowest {
            true => 0,
            false => self.usual_level(),
        }
    }

    /// The stack level of its grants. Only profiles of one purpose must differ in it.
    pub(super) fn grant_level(&self) -> u32 {
        let needs_none = self.grants_by == ProfilePurpose::Tx;
        let has_one = self.form.is_lowest || self.stack_level_most == Some(0);
        self.floor_level() + u32::from(!(needs_none && has_one))
    }

    fn usual_level(&self) -> u32 {
        u32::from(self.stack_level_most.unwrap_or(STACK_LEVELS) >= STACK_LEVELS)
    }

    /// What to try where the station refuses its floor; `false`: nothing is left, and it is tried from the beginning again.
    pub(super) fn takes_other_floor(&mut self) -> bool {
        let now = (
            self.floor_purpose(),
            self.form.floor_is_relative,
            self.form.is_lowest,
        );
        let others = FLOORS.iter().skip_while(|way| **way != now).skip(1);
        let other = others.copied().find(|way| self.may_have_floor(*way));
        let (purpose, floor_is_relative, is_lowest) = other.unwrap_or(FLOORS[0]);
        self.grants_by = match purpose {
            ProfilePurpose::StationMax => purpose,
            ProfilePurpose::TxDefault | ProfilePurpose::Tx => ProfilePurpose::Tx,
        };
        self.form = ProfileForm {
            floor_is_relative,
            is_lowest,
            grant_is_relative: floor_is_relative,
            ends_by_duration: false,
        };
        other.is_some()
    }

    /// A maximum of the station as a whole is none for an outlet that is not alone.
    fn may_have_floor(&self, (purpose, _, is_lowest): FloorWay) -> bool {
        (self.alone || purpose != ProfilePurpose::StationMax)
            && (!is_lowest || self.usual_level() > 0)
    }

    /// What to try where the station refuses its grants, or takes them without effect; `false`: nothing is left, and it is
    /// tried from the beginning again.
    fn takes_other_grant(&mut self) -> bool {
        let now = self.grant_way();
        let others = GRANTS.iter().skip_while(|way| **way != now).skip(1);
        let other = others.copied().find(|way| self.may_be_granted(*way));
        let mut ways = GRANTS.into_iter();
        let first = ways.find(|way| self.may_be_granted(*way));
        if let Some((purpose, is_relative, by_duration)) = other.or(first) {
            self.grants_by = purpose;
            self.form.grant_is_relative = is_relative;
            self.form.ends_by_duration = by_duration;
        }
        other.is_some()
    }

    /// A grant of its floor's purpose stands above that, so it needs another stack level. Who refuses a floor with a start
    /// refuses a grant with one.
    fn may_be_granted(&self, (purpose, is_relative, _): GrantWay) -> bool {
        let floor = self.floor_purpose();
        let stands_above = purpose == floor;
        let replaces = purpose == ProfilePurpose::Tx && floor == ProfilePurpose::TxDefault;
        (replaces || stands_above && self.stack_level_most != Some(0))
            && (is_relative || !self.form.floor_is_relative)
    }

    fn grant_way(&self) -> GrantWay {
        let ProfileForm {
            grant_is_relative,
            ends_by_duration,
            ..
        } = self.form;
        (self.grants_by, grant_is_relative, ends_by_duration)
    }

    /// Whether its grants end so long after its station took them, which nobody knows before it answers.
    pub(super) fn grants_float(&self) -> bool {
        self.grant_way() == FLOATING
    }
}

impl Managed {
    /// An outlet's grants are said in another form from now on; `false`: there is no other that was not tried.
    pub(super) fn is_granted_otherwise(&mut self, index: usize) -> bool {
        let lane = &mut self.lanes[index];
        let is_other = lane.takes_other_grant();
        lane.effect = Effect::default();
        self.controller.grants_float(index, lane.grants_float());
        is_other
    }
}
