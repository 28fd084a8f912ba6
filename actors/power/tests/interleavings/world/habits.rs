//! Stations of which more is known: grants that last from when they are taken, and stations that keep theirs while offline.
//! In every third life, whose plan stays the same and whose controllers remember.

use power::{Command, Controller, Settings};

use super::network::Flight;
use super::{Mutant, World};

/// How much longer than others a grant is remembered that lasts from when it is taken, in ms.
const TAKEN_LATE_MS: i64 = 60_000;

/// What is known of a station.
#[derive(Clone, Copy, Default)]
pub(super) struct Habits {
    /// Its grants last a lease from when it takes them.
    pub(super) floats: bool,
    /// They do not end while it is offline.
    pub(super) keeps: bool,
    /// Since when it has been offline, where it keeps them, in ms.
    pub(super) frozen_ms: Option<i64>,
    /// When what it was sent last arrives: on one connection nothing overtakes, in ms.
    pub(super) arrives_ms: i64,
}

impl Habits {
    /// Those of the station of this number in the seed's life.
    pub(super) fn of(seed: u64, number: usize) -> Self {
        let has_habits = seed.is_multiple_of(3);
        Self {
            floats: has_habits && number % 2 == 1,
            keeps: has_habits && number % 4 == 2,
            ..Self::default()
        }
    }

    /// How much longer its grants are remembered.
    pub(super) fn taken_late_ms(&self) -> i64 {
        if self.floats { TAKEN_LATE_MS } else { 0 }
    }
}

impl World {
    /// Whether this is a life of stations with habits.
    pub(super) fn has_habits(&self) -> bool {
        let habits = |it: &super::Station| it.habits.floats || it.habits.keeps;
        self.stations.iter().any(habits)
    }

    /// How much longer than others grants may last, that last from when they are taken, in ms.
    pub(super) fn taken_late_ms(&self) -> i64 {
        let late_ms = self.stations.iter().map(|it| it.habits.taken_late_ms());
        late_ms.max().unwrap_or(0)
    }

    /// Tells a new controller, which is told its leases after that, what is known of stations.
    pub(super) fn tell_habits(&self, controller: &mut Controller) {
        for (place, station) in self.plan.stations.iter().enumerate() {
            let habits = self.stations[*station].habits;
            controller.grants_float(place, habits.floats && self.mutant != Mutant::EndsAsSent);
            if habits.keeps && self.mutant != Mutant::EndsOffline {
                let last_a = self.memory[*station].map_or(0.0, |(amps, _)| amps);
                controller.recall_kept(place, last_a);
                controller.online(place, self.stations[*station].online);
            }
        }
    }

    /// Its socket opened or closed: what was on it is lost, and who comes is given its floor.
    pub(super) fn connects(&mut self, outlet: usize, online: bool) {
        let now_ms = self.now_ms;
        let station = &mut self.stations[outlet];
        station.online = online;
        let habits = &mut station.habits;
        habits.frozen_ms = (habits.keeps && !online).then(|| habits.frozen_ms.unwrap_or(now_ms));
        if station.habits.floats {
            let is_here =
                |flight: &Flight| matches!(flight, Flight::Down(it) if it.outlet == outlet);
            self.flying.retain(|(_, flight)| !is_here(flight));
        }
        if let Some((controller, place)) = self.planned(outlet) {
            controller.online(place, online);
            if online {
                controller.has_floor(place, now_ms);
            }
        }
    }

    /// What a command is to its station when it arrives: a grant that lasts from now on, where that is its habit.
    pub(super) fn as_taken(&self, command: Command) -> Command {
        let station = &self.stations[command.outlet];
        match station.habits.floats {
            true => Command {
                ends_ms: self.now_ms + station.skew_ms + Settings::default().lease_ms,
                ..command
            },
            false => command,
        }
    }
}
