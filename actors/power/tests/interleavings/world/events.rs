//! What happens to stations, to the controller and to the site.

use power::Cap;
use rand::RngExt;

use super::network::Flight;
use super::{SECOND_MS, World};

impl World {
    pub(super) fn happen_to(&mut self, outlet: usize) {
        let now_ms = self.now_ms;
        let soon_ms = now_ms + self.random.random_range(0..5) * SECOND_MS;
        let dice = self.random.random_range(0..1_000);
        let station = &mut self.stations[outlet];
        match dice {
            0..8 if station.session.is_some() => {
                let (session, _) = station.session.take().expect("it has one");
                station.applied = None;
                self.flying.push((soon_ms, Flight::Ended(outlet, session)));
            }
            0..60 if station.session.is_none() => {
                self.sessions += 1;
                let most_a = self.random.random_range(8.0..32.0);
                station.session = Some((self.sessions, most_a));
                self.flying
                    .push((soon_ms, Flight::Began(outlet, self.sessions, most_a)));
            }
            60..72 => {
                let online = !station.online;
                self.connects(outlet, online);
                self.tell_wish(outlet);
            }
            72..76 if !station.remembers => station.applied = None,
            80..180 => {
                let outlets = self.site.outlets();
                let potential_a = station.potential_a(&outlets[outlet], now_ms);
                let amps = match station.session {
                    Some((_, most_a)) => {
                        potential_a.min(most_a) * self.random.random_range(0.0..1.0)
                    }
                    None => 0.0,
                };
                if station.online {
                    self.flying
                        .push((soon_ms, Flight::Meter(outlet, amps, now_ms)));
                }
            }
            // It is asked for less, or for more again, whatever it could draw.
            180..190 => {
                let most_a = self.random.random_range(6.0..32.0);
                if let Some(wish) = &mut station.told {
                    wish.most_a = most_a;
                }
                self.tell_wish(outlet);
            }
            _ => return,
        }
        self.life.events += 1;
    }

    pub(super) fn happen_to_all(&mut self) {
        let now_ms = self.now_ms;
        match self.random.random_range(0..1_000) {
            // The controller crashes; what it sent is still under way.
            0..3 => {
                self.controller = None;
                self.back_at_ms = now_ms + self.random.random_range(0..20) * SECOND_MS;
            }
            // The hub crashes: stations are offline, what was under way to them is lost or not.
            3..5 => {
                self.controller = None;
                self.back_at_ms = now_ms + self.random.random_range(0..40) * SECOND_MS;
                for outlet in 0..self.stations.len() {
                    self.connects(outlet, false);
                }
                if self.random.random_bool(0.5) {
                    self.flying
                        .retain(|(_, flight)| !matches!(flight, Flight::Down(_)));
                }
            }
            5..8 if self.set_point.is_none() => {
                let most = self.random.random_range(0.0..40.0);
                let cap = Cap {
                    from_ms: now_ms,
                    until_ms: None,
                    recurs: None,
                    most_a: Some([most; 3]),
                    most_w: None,
                };
                self.set_point = Some((now_ms, cap.clone()));
                if let Some(controller) = &mut self.controller {
                    controller
                        .site_mut()
                        .add_cap(0, cap)
                        .expect("a cap that can be");
                }
            }
            8..16 if !self.has_habits() => self.replan(),
            20..120 => {
                let load = *self.unmanaged_a.back().expect("there is one each second");
                let late_ms = self.random.random_range(0..5) * SECOND_MS;
                self.flying
                    .push((now_ms + late_ms, Flight::Site(load, now_ms)));
            }
            _ => return,
        }
        self.life.events += 1;
    }
}
