//! Stations: how they treat what they are sent, and what they may draw.

use power::{Answer, Command, Outlet, Wish};
use rand::RngExt;

use super::habits::Habits;
use super::network::Flight;
use super::{SECOND_MS, World};

/// How a station treats what it is sent.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Nature {
    Obeys,
    Refuses,
    SaysNothing,
    Pretends,
    Moody,
}

pub(super) struct Station {
    pub(super) nature: Nature,
    /// It keeps its profile through a reboot.
    pub(super) remembers: bool,
    pub(super) online: bool,
    pub(super) skew_ms: i64,
    pub(super) session: Option<(u64, f64)>,
    pub(super) applied: Option<Command>,
    /// What the controller was told of its session, and under which name.
    pub(super) told: Option<Wish>,
    pub(super) alias: u64,
    pub(super) habits: Habits,
}

impl Station {
    /// What it may draw.
    pub(super) fn potential_a(&self, outlet: &Outlet, now_ms: i64) -> f64 {
        if outlet.unlimitable {
            return outlet.most_a;
        }
        self.granted_a(now_ms).unwrap_or(outlet.floor_a)
    }

    /// What it may draw by a grant that is more than its floor; 0 without one.
    pub(super) fn raised_a(&self, outlet: &Outlet, now_ms: i64) -> f64 {
        let granted = self.granted_a(now_ms);
        granted.filter(|amps| *amps > outlet.floor_a).unwrap_or(0.0)
    }

    /// What it applied that has not ended by its clock.
    fn granted_a(&self, now_ms: i64) -> Option<f64> {
        let its_ms = self.habits.frozen_ms.unwrap_or(now_ms) + self.skew_ms;
        let holds = |it: &Command| its_ms < it.ends_ms;
        self.applied.filter(holds).map(|it| it.amps)
    }
}

impl World {
    /// A command reaches its station.
    pub(super) fn take(&mut self, command: Command) {
        let command = self.as_taken(command);
        let outlet = command.outlet;
        let floor_a = self.site.outlets()[outlet].floor_a;
        let station = &mut self.stations[outlet];
        if !station.online {
            return;
        }
        let command = Command {
            session: command.session & 0xffff_ffff,
            ..command
        };
        let of_now = station.session.map(|(id, _)| id) == Some(command.session)
            && self.now_ms + station.skew_ms < command.ends_ms;
        let (answer, applies) = match station.nature {
            _ if !of_now => (Some(Answer::Refused), false),
            Nature::Obeys => (Some(Answer::Accepted), true),
            Nature::Refuses => (Some(Answer::Refused), false),
            Nature::SaysNothing => (None, self.random.random_bool(0.5)),
            Nature::Pretends => (Some(Answer::Accepted), self.random.random_bool(0.3)),
            Nature::Moody => match self.random.random_range(0..4) {
                0 => (Some(Answer::Refused), false),
                1 => (None, true),
                2 => (Some(Answer::Accepted), false),
                _ => (Some(Answer::Accepted), true),
            },
        };
        if applies {
            self.life.applied += u64::from(command.amps > floor_a);
            station.applied = Some(command);
        }
        if let Some(answer) = answer
            && self.random.random_bool(0.9)
        {
            let delay_ms = self.random.random_range(0..8) * SECOND_MS;
            let flight = Flight::Answer(outlet, command.id, answer);
            self.flying.push((self.now_ms + delay_ms, flight));
        }
    }
}
