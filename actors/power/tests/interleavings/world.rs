//! A seeded life of a site whose stations, network, hub and controller fail in every way, and its judge.
//!
//! The judge looks at what each station **may** draw by the profile it has applied, not at what its car happens to draw,
//! after each event and at each second: the limits must hold on every phase. What the controller cannot foresee (a set-point
//! that comes without notice, a rise of the unmanaged load) counts as soon as the last grant of before must have ended.

use std::collections::VecDeque;

use power::{
    Answer, Cap, Command, Controller, Feed, Method, Node, Outlet, Phase, Rules, Settings, Site,
    Steps, Wish,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

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
    /// Knows no clock but its own.
    ClocksAgree,
    /// Knows a coming limit when it is there.
    LooksNotAhead,
}

impl Mutant {
    pub(crate) const ALL: [Self; 6] = [
        Self::IncreasesFirst,
        Self::OfflineIsNothing,
        Self::AcceptedIsDone,
        Self::LearnsNothing,
        Self::ClocksAgree,
        Self::LooksNotAhead,
    ];
}

/// What a life came to.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// The first limit that was broken, in words.
    pub(crate) violation: Option<String>,
    /// Grants that stations applied above their floors.
    pub(crate) applied: u64,
    /// Events of the network, stations and controllers.
    pub(crate) events: u64,
}

const START_MS: i64 = 1_700_000_000_000;
const SECOND_MS: i64 = 1_000;
/// How much a station's clock may be off.
const SKEW_MS: i64 = 12_000;
/// The longest that an unmanaged load is known late: a reading's age, and its way.
const TOLD_LATE_MS: i64 = 75_000;

/// Lives through the seed's life.
pub(crate) fn live(seed: u64, mutant: Mutant) -> Life {
    let mut world = World::new(seed, mutant);
    let seconds = world.random.random_range(120..360);
    for _ in 0..seconds {
        world.second();
        if world.life.violation.is_some() {
            break;
        }
    }
    world.life
}

struct World {
    random: SmallRng,
    mutant: Mutant,
    settings: Settings,
    site: Site,
    /// By limit: what floors and what cannot be limited load it with.
    always: Vec<f64>,
    controller: Option<Controller>,
    back_at_ms: i64,
    epoch: u64,
    now_ms: i64,
    stations: Vec<Station>,
    /// On the way: when it arrives, and what.
    flying: Vec<(i64, Flight)>,
    sessions: u64,
    unmanaged_a: VecDeque<[f64; 3]>,
    set_point: Option<(i64, Cap)>,
    ahead: Cap,
    life: Life,
}

enum Flight {
    Down(Command),
    Answer(usize, power::CommandId, Answer),
    Meter(usize, f64, i64),
    Ended(usize, u64),
    Began(usize, u64, f64),
    Site([f64; 3], i64),
}

/// How a station treats what it is sent.
#[derive(Clone, Copy, PartialEq)]
enum Nature {
    Obeys,
    Refuses,
    SaysNothing,
    Pretends,
    Moody,
}

struct Station {
    nature: Nature,
    /// It keeps its profile through a reboot.
    remembers: bool,
    online: bool,
    skew_ms: i64,
    session: Option<(u64, f64)>,
    applied: Option<Command>,
    /// What the controller was told of its session, and under which name.
    told: Option<Wish>,
    alias: u64,
}

impl Station {
    /// What it may draw.
    fn potential_a(&self, outlet: &Outlet, now_ms: i64) -> f64 {
        if outlet.unlimitable {
            return outlet.most_a;
        }
        match self.applied {
            Some(command) if now_ms + self.skew_ms < command.ends_ms => command.amps,
            _ => outlet.floor_a,
        }
    }
}

impl World {
    fn new(seed: u64, mutant: Mutant) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let (site, ahead) = site(&mut random);
        let floors: Vec<f64> = site.outlets().iter().map(Outlet::always_a).collect();
        let stations = (0..site.outlets().len())
            .map(|_| Station {
                nature: match random.random_range(0..10) {
                    0 => Nature::Refuses,
                    1 => Nature::SaysNothing,
                    2 => Nature::Pretends,
                    3 | 4 => Nature::Moody,
                    _ => Nature::Obeys,
                },
                remembers: random.random_bool(0.5),
                online: true,
                skew_ms: random.random_range(-SKEW_MS..=SKEW_MS),
                session: None,
                applied: None,
                told: None,
                alias: 0,
            })
            .collect();
        let rules = Rules {
            method: if random.random_bool(0.1) {
                Method::Urgent
            } else {
                Method::Fair
            },
            turn_h: 0.01,
            ..Rules::default()
        };
        let margin_ms = match mutant {
            Mutant::IncreasesFirst => -50_000,
            Mutant::ClocksAgree => 0,
            _ => Settings::default().margin_ms,
        };
        let settings = Settings {
            rules,
            margin_ms,
            refused_ms: 20_000,
            ..Settings::default()
        };
        let mut world = Self {
            random,
            mutant,
            settings,
            always: site.limits().worst(&floors),
            site,
            controller: None,
            back_at_ms: START_MS,
            epoch: 0,
            now_ms: START_MS,
            stations,
            flying: Vec::new(),
            sessions: 0,
            unmanaged_a: VecDeque::new(),
            set_point: None,
            ahead,
            life: Life::default(),
        };
        world.start_controller();
        // The first one has nothing to learn: what it would wait for is skipped.
        world.now_ms += 2 * Settings::default().lasts_ms();
        world
    }

    fn start_controller(&mut self) {
        self.epoch += 1;
        let mut site = self.site.clone();
        if let Some((_, cap)) = &self.set_point {
            site.add_cap(0, cap.clone()).expect("a cap that can be");
        }
        if self.mutant != Mutant::LooksNotAhead || self.now_ms >= self.ahead.from_ms {
            site.add_cap(0, self.ahead.clone())
                .expect("a cap that can be");
        }
        let began_ms = match self.mutant {
            Mutant::LearnsNothing => self.now_ms - self.settings.lasts_ms(),
            _ => self.now_ms,
        };
        let floors = vec![true; self.stations.len()];
        let mut controller = Controller::new(site, self.settings, self.epoch, &floors, began_ms);
        for (outlet, station) in self.stations.iter_mut().enumerate() {
            controller.online(outlet, station.online);
            controller.wish(outlet, station.told, self.now_ms);
        }
        self.controller = Some(controller);
    }

    fn second(&mut self) {
        self.now_ms += SECOND_MS;
        if self.controller.is_none() && self.now_ms >= self.back_at_ms {
            self.start_controller();
        }
        let last = self.unmanaged_a.back().copied().unwrap_or([3.0; 3]);
        let load = if self.random.random_bool(0.03) {
            [0; 3].map(|_| self.random.random_range(0.0..UNMANAGED_A))
        } else {
            last
        };
        self.unmanaged_a.push_back(load);
        let remembered = (self.settings_of_truth().lasts_ms() + TOLD_LATE_MS) / SECOND_MS;
        if self.unmanaged_a.len() > remembered as usize {
            self.unmanaged_a.pop_front();
        }
        if self.mutant == Mutant::LooksNotAhead && self.ahead.from_ms == self.now_ms {
            let cap = self.ahead.clone();
            if let Some(controller) = &mut self.controller {
                controller
                    .site_mut()
                    .add_cap(0, cap)
                    .expect("a cap that can be");
            }
        }
        self.arrive();
        self.judge("time passed");
        for outlet in 0..self.stations.len() {
            self.happen_to(outlet);
        }
        self.happen_to_all();
        if self.random.random_bool(0.4) {
            self.reconcile();
        }
        self.judge("events");
    }

    /// The settings of the real controller, whatever those of a mutant.
    fn settings_of_truth(&self) -> Settings {
        Settings::default()
    }

    fn arrive(&mut self) {
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
                    if let Some(controller) = &mut self.controller {
                        controller.answered(outlet, id, answer, now_ms);
                    }
                }
                Flight::Meter(outlet, amps, at_ms) => {
                    if let Some(controller) = &mut self.controller {
                        controller.measured(outlet, amps, at_ms, now_ms);
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

    fn tell_wish(&mut self, outlet: usize) {
        let station = &self.stations[outlet];
        let hidden = self.mutant == Mutant::OfflineIsNothing && !station.online;
        let wish = station.told.filter(|_| !hidden).map(|wish| Wish {
            session: wish.session + (station.alias << 32),
            ..wish
        });
        if let Some(controller) = &mut self.controller {
            controller.wish(outlet, wish, self.now_ms);
        }
    }

    /// A command reaches its station.
    fn take(&mut self, command: Command) {
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

    fn happen_to(&mut self, outlet: usize) {
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
                station.online = !station.online;
                let online = station.online;
                if let Some(controller) = &mut self.controller {
                    controller.online(outlet, online);
                }
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
            _ => return,
        }
        self.life.events += 1;
    }

    fn happen_to_all(&mut self) {
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
                for station in &mut self.stations {
                    station.online = false;
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
                    every_ms: None,
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

    fn reconcile(&mut self) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let plan = controller.reconcile(self.now_ms);
        for command in plan.commands {
            let copies = match self.random.random_range(0..20) {
                0 | 1 => 0,
                2 => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let delay_s = match self.random.random_range(0..10) {
                    0 => self.random.random_range(0..50),
                    1..4 => self.random.random_range(0..10),
                    _ => 0,
                };
                self.flying
                    .push((self.now_ms + delay_s * SECOND_MS, Flight::Down(command)));
            }
        }
    }

    fn judge(&mut self, when: &str) {
        if self.life.violation.is_some() {
            return;
        }
        let (outlets, now_ms) = (self.site.outlets(), self.now_ms);
        let may: Vec<f64> = (outlets.iter().zip(&self.stations))
            .map(|(outlet, station)| station.potential_a(outlet, now_ms))
            .collect();
        let loads = self.site.limits().worst(&may);
        let unforeseen_ms = self.settings_of_truth().lasts_ms() + 2 * SECOND_MS;
        for (index, limit) in self.site.limits().iter().enumerate() {
            let measure = self.site.measure(index);
            let Some(phase) = measure.phase else {
                continue;
            };
            let mut most = limit.most;
            let mut other = 0.0;
            if measure.node == 0 {
                if self.ahead.holds_within(now_ms, now_ms) {
                    most = most.min(self.ahead.most_a.expect("it has one")[0]);
                }
                if let Some((since_ms, cap)) = &self.set_point
                    && now_ms >= since_ms + unforeseen_ms
                {
                    most = most.min(cap.most_a.expect("it has one")[0]);
                }
                let loads = self.unmanaged_a.iter().map(|load| load[phase as usize]);
                other = loads.fold(f64::INFINITY, f64::min);
                other = if other.is_finite() { other } else { 0.0 };
            }
            // Below the floors nothing can be done: they are what must not be exceeded then.
            let allowed = (most - other).max(self.always[index]);
            if loads[index] > allowed + 1e-6 {
                let at_s = (now_ms - START_MS) / SECOND_MS;
                self.life.violation = Some(format!(
                    "{when}, second {at_s}: {} may carry {:.2} A of {allowed:.2} A; outlets {may:.1?}",
                    limit.name, loads[index]
                ));
                return;
            }
        }
    }
}

/// The most that is drawn at the grid connection beside the outlets, per phase in A.
const UNMANAGED_A: f64 = 10.0;

/// A site of two to five outlets on two circuits, and a limit that comes at a time known ahead.
fn site(random: &mut SmallRng) -> (Site, Cap) {
    use Phase::{L1, L2, L3};
    loop {
        let count = random.random_range(2..=5);
        let mut outlets = (0..count).map(|number| Outlet {
            station: format!("S{number}"),
            evse: 1,
            feed: match random.random_range(0..8) {
                0 => Feed::Phases(vec![L1]),
                1 => Feed::Phases(vec![L2]),
                2 => Feed::Phases(vec![L3, L1]),
                3 => Feed::Phases(vec![L2, L3, L1]),
                4 => Feed::Between(L1, L2),
                5 => Feed::Between(L3, L1),
                6 => Feed::Dc,
                _ => Feed::Phases(vec![L1, L2, L3]),
            },
            most_a: 32.0,
            floor_a: if random.random_bool(0.6) { 0.0 } else { 6.0 },
            steps: match random.random_range(0..3) {
                0 => Steps::Only(vec![0.0, 6.0, 8.0, 16.0, 24.0, 32.0]),
                _ => Steps::From(6.0),
            },
            unlimitable: random.random_bool(0.05),
        });
        let node = |name: &str, most: f64, outlets, nodes| Node {
            name: name.into(),
            most_a: Some([most; 3]),
            most_w: None,
            unmanaged_a: [0.0; 3],
            caps: Vec::new(),
            nodes,
            outlets,
        };
        let first = outlets.by_ref().take(count / 2).collect();
        let second = outlets.collect();
        let mut root = node(
            "grid",
            random.random_range(20.0..70.0),
            vec![],
            vec![
                node("first", random.random_range(12.0..50.0), first, vec![]),
                node("second", random.random_range(12.0..50.0), second, vec![]),
            ],
        );
        root.unmanaged_a = [UNMANAGED_A; 3];
        let from_ms = START_MS + random.random_range(130..400) * SECOND_MS;
        let ahead = Cap {
            from_ms,
            until_ms: Some(from_ms + 120 * SECOND_MS),
            every_ms: None,
            most_a: Some([random.random_range(15.0..60.0); 3]),
            most_w: None,
        };
        // Floors that do not fit are refused: another one.
        if let Ok(site) = Site::new(&root, 230.0) {
            return (site, ahead);
        }
    }
}
