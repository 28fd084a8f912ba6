//! The plan of the site, which changes while cars charge: limits go up and down, outlets leave it and come back.
//!
//! The station of an outlet that left the plan stays, and does as it was told until its grants end; after that it is
//! nobody's any more, nor is its floor. One that comes back is there with its floor at once, which the others cannot know before: it counts
//! as soon as the last grant of before must have ended. So does a limit that another plan lowers.

use power::{Controller, Node, Outlet, Site};
use rand::RngExt;

use super::{Mutant, SECOND_MS, World};

pub(super) struct Plan {
    root: Node,
    /// By place in the controller's site: which station.
    pub(super) stations: Vec<usize>,
    /// By station: from when on its floor counts.
    counts_from_ms: Vec<i64>,
    /// By limit: what it allows, and what plans of before allowed, each until then.
    most: Vec<f64>,
    before: Vec<(i64, Vec<f64>)>,
}

impl Plan {
    /// One that has all outlets of the site.
    pub(super) fn of_all(root: Node, site: &Site) -> Self {
        let count = site.outlets().len();
        Self {
            root,
            stations: (0..count).collect(),
            counts_from_ms: vec![i64::MIN; count],
            most: most(site),
            before: Vec::new(),
        }
    }

    /// Where the controller has a station.
    pub(super) fn place(&self, station: usize) -> Option<usize> {
        self.stations.iter().position(|it| *it == station)
    }

    /// Whether all that a station may draw is to be reckoned with, and not only what it was granted above its floor.
    pub(super) fn counts(&self, station: usize, now_ms: i64) -> bool {
        self.stations.contains(&station) && now_ms >= self.counts_from_ms[station]
    }

    /// What outlets draw in any case.
    pub(super) fn always(&self, outlets: &[Outlet]) -> Vec<f64> {
        let planned = |it: usize| self.stations.contains(&it);
        (outlets.iter().enumerate())
            .map(|(it, outlet)| if planned(it) { outlet.always_a() } else { 0.0 })
            .collect()
    }

    /// What a limit must be kept at.
    pub(super) fn most(&self, limit: usize, now_ms: i64) -> f64 {
        let before = self
            .before
            .iter()
            .filter(|(until_ms, _)| now_ms < *until_ms);
        before.fold(self.most[limit], |most, (_, before)| {
            most.max(before[limit])
        })
    }
}

impl World {
    /// The controller, and where it has a station, if it has.
    pub(super) fn planned(&mut self, station: usize) -> Option<(&mut Controller, usize)> {
        self.controller.as_mut().zip(self.plan.place(station))
    }

    /// The site as it is planned, with all that was told meanwhile.
    fn planned_site(&self) -> Site {
        let mut site = Site::new(&self.plan.root, 230.0).expect("it was checked");
        if let Some((_, cap)) = &self.set_point {
            site.add_cap(0, cap.clone()).expect("a cap that can be");
        }
        if self.mutant != Mutant::LooksNotAhead || self.now_ms >= self.ahead.from_ms {
            site.add_cap(0, self.ahead.clone())
                .expect("a cap that can be");
        }
        site
    }

    /// A controller that knows who is there and charges, and nothing of what was granted.
    pub(super) fn new_controller(&self, began_ms: i64) -> Controller {
        let floors = vec![true; self.plan.stations.len()];
        let site = self.planned_site();
        let mut controller = Controller::new(site, self.settings, self.epoch, &floors, began_ms);
        for (place, station) in self.plan.stations.iter().enumerate() {
            let station = &self.stations[*station];
            controller.online(place, station.online);
            controller.wish(place, station.told, self.now_ms);
        }
        controller
    }

    /// Another plan: some limits are others, some outlets are gone or back.
    pub(super) fn replan(&mut self) {
        let Some((root, site)) = self.another_plan() else {
            return;
        };
        let counts_ms = self.now_ms + self.settings_of_truth().lasts_ms() + 2 * SECOND_MS;
        let before = std::mem::take(&mut self.plan.stations);
        let names = site.outlets().iter().map(|outlet| outlet.station.as_str());
        self.plan.stations = names.map(|name| self.station_called(name)).collect();
        for station in &self.plan.stations {
            if !before.contains(station) {
                self.plan.counts_from_ms[*station] = counts_ms;
            }
        }
        let old = std::mem::replace(&mut self.plan.most, most(&site));
        self.plan.before.push((counts_ms, old));
        self.plan.root = root;
        self.tell_plan(&before);
    }

    /// The controller learns of the plan that holds now; `before` has the stations of the one that it knows.
    fn tell_plan(&mut self, before: &[usize]) {
        if self.controller.is_none() {
            return;
        }
        if self.mutant == Mutant::ForgetsAtReplan {
            self.epoch += 1;
            let long_ago_ms = self.now_ms - self.settings.lasts_ms();
            self.controller = Some(self.new_controller(long_ago_ms));
            return;
        }
        let (site, now_ms) = (self.planned_site(), self.now_ms);
        let places: Vec<Option<usize>> = (self.plan.stations.iter())
            .map(|station| before.iter().position(|it| it == station))
            .collect();
        let Some(controller) = &mut self.controller else {
            return;
        };
        controller.replan(site, self.settings, &places, now_ms);
        for (place, known) in places.iter().enumerate() {
            let station = self.plan.stations[place];
            if known.is_none() {
                controller.has_floor(place, now_ms);
                controller.online(place, self.stations[station].online);
                if let Some((amps, ends_ms)) = self.memory[station] {
                    controller.recall_one(place, amps, ends_ms);
                }
            }
        }
        for station in self.plan.stations.clone() {
            self.tell_wish(station);
        }
    }

    /// A plan that can be.
    fn another_plan(&mut self) -> Option<(Node, Site)> {
        let mut root = self.plan.root.clone();
        let all = self.site.outlets();
        let half = all.len() / 2;
        let parts = [&all[..half], &all[half..]];
        root.most_a = Some([self.random.random_range(20.0..70.0); 3]);
        for (node, outlets) in root.nodes.iter_mut().zip(parts) {
            if self.random.random_bool(0.5) {
                node.most_a = Some([self.random.random_range(12.0..50.0); 3]);
            }
            let stays = |_: &&Outlet| self.random.random_bool(0.8);
            node.outlets = outlets.iter().filter(stays).cloned().collect();
        }
        let site = Site::new(&root, 230.0).ok()?;
        Some((root, site))
    }

    fn station_called(&self, name: &str) -> usize {
        let mut outlets = self.site.outlets().iter();
        let found = outlets.position(|outlet| outlet.station == name);
        found.expect("it is one of the site's")
    }
}

/// What each limit of a site allows; every site of one tree has the same limits.
fn most(site: &Site) -> Vec<f64> {
    site.limits().iter().map(|limit| limit.most).collect()
}
