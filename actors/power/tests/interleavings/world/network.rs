//! What is under way between controller and stations, and what becomes of it.

use power::{Answer, Command, Wish};
use rand::RngExt;

use super::mutant::Mutant;
use super::{SECOND_MS, World};

pub(super) enum Flight {
    Down(Command),
    Answer(usize, power::CommandId, Answer),
    Meter(usize, f64, i64),
    Ended(usize, u64),
    Began(usize, u64, f64),
    Site([f64; 3], i64),
}

impl World {
    pub(super) fn arrive(&mut self) {
        let mut due = Vec::new();
        let now_ms = self.now_ms;
        let mut index = 0;
        while index < self.flying.len() {
            if self.flying[index].0 <= now_ms {
                due.push(self.flying.swap_remove(index).1);
            } else {
                index += 1;
            }
        }
        for flight in due {
            self.life.events += 1;
            match flight {
                Flight::Down(command) => {
                    self.take(command);
                    self.judge("a command arrived");
                }
                Flight::Began(outlet, session, most_a) => {
                    if self.stations[outlet].session.map(|(id, _)| id) == Some(session) {
                        self.stations[outlet].told = Some(Wish {
                            session,
                            most_a,
                            weight: 1.0,
                            need: Some((40.0, now_ms + 3_600_000)),
                            served: false,
                        });
                        self.tell_wish(outlet);
                    }
                }
                Flight::Ended(outlet, session) => {
                    if self.stations[outlet].told.map(|wish| wish.session) == Some(session) {
                        self.stations[outlet].told = None;
                        self.tell_wish(outlet);
                    }
                }
                Flight::Answer(outlet, id, answer) => {
                    let trusting = self.mutant == Mutant::AcceptedIsDone;
                    if trusting && answer == Answer::Accepted {
                        // A new name for the session makes the controller forget all it sent before.
                        self.stations[outlet].alias += 1;
                        self.tell_wish(outlet);
                    }
                    if let Some((controller, place)) = self.planned(outlet) {
                        controller.answered(place, id, answer, now_ms);
                    }
                }
                Flight::Meter(outlet, amps, at_ms) => {
                    if let Some((controller, place)) = self.planned(outlet) {
                        controller.measured(place, amps, at_ms, now_ms);
                    }
                }
                Flight::Site(amps, at_ms) => {
                    if let Some(controller) = &mut self.controller {
                        controller.unmanaged(0, amps, at_ms);
                    }
                }
            }
        }
    }

    pub(super) fn tell_wish(&mut self, outlet: usize) {
        let station = &self.stations[outlet];
        let hidden = self.mutant == Mutant::OfflineIsNothing && !station.online;
        let wish = station.told.filter(|_| !hidden).map(|wish| Wish {
            session: wish.session + (station.alias << 32),
            ..wish
        });
        let now_ms = self.now_ms;
        if let Some((controller, place)) = self.planned(outlet) {
            controller.wish(place, wish, now_ms);
        }
    }

    pub(super) fn reconcile(&mut self) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let plan = controller.reconcile(self.now_ms);
        let leased = |command: &Command| controller.leased_a(command.outlet);
        let leased: Vec<f64> = plan.commands.iter().map(leased).collect();
        for (command, leased_a) in plan.commands.into_iter().zip(leased) {
            let command = Command {
                outlet: self.plan.stations[command.outlet],
                ..command
            };
            if !self.is_remembered(&command, leased_a) {
                continue;
            }
            let floats = self.stations[command.outlet].habits.floats;
            let copies = match self.random.random_range(0..20) {
                0 | 1 => 0,
                2 if !floats => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let delay_s = match self.random.random_range(0..10) {
                    0 => self.random.random_range(0..50),
                    1..4 => self.random.random_range(0..10),
                    _ => 0,
                };
                let mut at_ms = self.now_ms + delay_s * SECOND_MS;
                let habits = &mut self.stations[command.outlet].habits;
                if floats {
                    // It is the slow ones that are told so.
                    at_ms += self.random.random_range(0..30) * SECOND_MS;
                    at_ms = at_ms.min(self.now_ms + habits.taken_late_ms());
                    at_ms = at_ms.max(habits.arrives_ms);
                    habits.arrives_ms = at_ms;
                }
                self.flying.push((at_ms, Flight::Down(command)));
            }
        }
    }
}
