//! A seeded life of a site whose stations, network, hub and controller fail in every way, and its judge.
//!
//! The judge looks at what each station **may** draw by the profile it has applied, not at what its car happens to draw,
//! after each event and at each second: the limits must hold on every phase. What the controller cannot foresee (a set-point
//! that comes without notice, a rise of the unmanaged load, another plan) counts as soon as the last grant of before must
//! have ended.

mod events;
mod habits;
mod judge;
mod memory;
mod mutant;
mod network;
mod plan;
mod site;
mod station;

use std::collections::VecDeque;

use power::{Cap, Controller, Method, Rules, Settings, Site};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use habits::Habits;
pub(crate) use mutant::Mutant;
use network::Flight;
use plan::Plan;
use site::UNMANAGED_A;
use station::{Nature, Station};

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
    /// All outlets that there ever are.
    site: Site,
    plan: Plan,
    controller: Option<Controller>,
    back_at_ms: i64,
    epoch: u64,
    memory: memory::Memory,
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

impl World {
    fn new(seed: u64, mutant: Mutant) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let (root, site, ahead) = site::draw(&mut random);
        let stations = (0..site.outlets().len())
            .map(|number| Station {
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
                habits: Habits::of(seed, number),
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
        let site_outlets = site.outlets().len();
        let mut world = Self {
            random,
            mutant,
            settings,
            plan: Plan::of_all(root, &site),
            site,
            controller: None,
            back_at_ms: START_MS,
            epoch: 0,
            memory: vec![None; site_outlets],
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
        let began_ms = match self.mutant {
            Mutant::LearnsNothing => self.now_ms - self.settings.lasts_ms(),
            _ => self.now_ms,
        };
        let mut controller = self.new_controller(began_ms);
        self.tell_habits(&mut controller);
        // Some have a memory, others must learn.
        if self.has_habits() || self.mutant == Mutant::RemembersLess || self.random.random_bool(0.5)
        {
            self.recall(&mut controller);
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
        let lasts_ms = self.settings_of_truth().lasts_ms() + self.taken_late_ms();
        let remembered = (lasts_ms + TOLD_LATE_MS) / SECOND_MS;
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
}
