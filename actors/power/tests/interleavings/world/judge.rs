//! The judge: whether what stations may draw keeps the limits.

use super::{SECOND_MS, START_MS, World};

impl World {
    pub(super) fn judge(&mut self, when: &str) {
        if self.life.violation.is_some() {
            return;
        }
        let (outlets, now_ms) = (self.site.outlets(), self.now_ms);
        let may: Vec<f64> = (outlets.iter().zip(&self.stations).enumerate())
            .map(
                |(index, (outlet, station))| match self.plan.counts(index, now_ms) {
                    true => station.potential_a(outlet, now_ms),
                    false => station.raised_a(outlet, now_ms),
                },
            )
            .collect();
        let loads = self.site.limits().worst(&may);
        let lasts_ms = self.settings_of_truth().lasts_ms() + self.taken_late_ms();
        let unforeseen_ms = lasts_ms + 2 * SECOND_MS;
        let mut always = self.plan.always(outlets);
        for (index, station) in self.stations.iter().enumerate() {
            // Nobody can take away what is kept: the others must be at their floors.
            if station.habits.frozen_ms.is_some() {
                always[index] = may[index].max(always[index]);
            }
        }
        let always = self.site.limits().worst(&always);
        for (index, limit) in self.site.limits().iter().enumerate() {
            let measure = self.site.measure(index);
            let Some(phase) = measure.phase else {
                continue;
            };
            let mut most = self.plan.most(index, now_ms);
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
            let allowed = (most - other).max(always[index]);
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
