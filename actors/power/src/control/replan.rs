//! The controller when the plan of its site changes: it goes on with what it knows.

use std::collections::HashMap;

use super::{Controller, Settings, State};
use crate::tree::Site;

impl Controller {
    /// Goes on under another plan of the site. `before` tells of each outlet of the new site which one it was, if it was
    /// one: what it was granted, its floor, its readings and what it was seen to do stay known, so that the next
    /// [`Controller::reconcile`] has every decrease that the new plan asks for. Answers to what was sent before are of no
    /// interest any more.
    ///
    /// Where an outlet is in the new plan no more and may draw more than its floor, nobody books that: nothing is raised
    /// until its grants have ended.
    pub fn replan(
        &mut self,
        site: Site,
        settings: Settings,
        before: &[Option<usize>],
        now_ms: i64,
    ) {
        let lasts_ms = self.settings.lasts_ms().max(settings.lasts_ms());
        let holds = |outlet: usize| self.leased_a(outlet) > self.site.outlets()[outlet].floor_a;
        let gone = (0..self.outlets.len()).filter(|it| !before.contains(&Some(*it)));
        let late_ms = |outlet: usize| self.outlets[outlet].book.taken_late_ms();
        if let Some(late_ms) = gone.filter(|it| holds(*it)).map(late_ms).max() {
            let learned_ms = now_ms + lasts_ms + late_ms;
            self.learns_until_ms = self.learns_until_ms.max(learned_ms);
        }
        let carried = before.iter().map(|before| match before {
            Some(before) => State {
                unanswered: Vec::new(),
                grant: None,
                ..self.outlets[*before].clone()
            },
            None => State {
                since_ms: now_ms,
                ..State::default()
            },
        });
        self.outlets = carried.collect();
        self.metered = by_name(&self.metered, &self.site, &site);
        self.overloaded_ms = by_name(&self.overloaded_ms, &self.site, &site);
        self.strays_a = HashMap::new();
        self.site = site;
        self.settings = settings;
    }

    /// A predecessor's grants allow this outlet (in A) so much until then (in ms since 1970): one that comes back into the
    /// plan.
    pub fn recall_one(&mut self, outlet: usize, amps: f64, ends_ms: i64) {
        self.outlets[outlet].book.recall(amps, ends_ms);
    }
}

/// What is known of nodes, of those that have the same name in another site.
fn by_name<T: Copy>(known: &HashMap<usize, T>, before: &Site, site: &Site) -> HashMap<usize, T> {
    let known = known.iter();
    let still = known.filter_map(|(node, it)| Some((site.node(before.node_name(*node))?, *it)));
    still.collect()
}
