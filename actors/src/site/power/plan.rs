//! From what is configured to what is computed with; and whether it can be.

use model::{
    Fuse, FuseCap, PlannedOutlet, PowerPlan, RateUnit, Repeat, SetPoint, Sharing, SiteLine,
    SitePower, Wiring,
};
use power::{Cap, Every, Feed, Method, Node, Outlet, Phase, Recurrence, Site, Steps, Zone};

/// The most parts, outlets, caps of a part, and set-points of a site.
const PARTS_MOST: usize = 500;
const OUTLETS_MOST: usize = 2_000;
const CAPS_MOST: usize = 100;
const SET_POINTS_MOST: usize = 100;
/// The longest name, in characters.
const NAME_MOST: usize = 64;
/// What a phase may have to neutral, in V.
const PHASE_V: std::ops::RangeInclusive<f64> = 50.0..=700.0;
/// What a session may weigh.
const WEIGHT: std::ops::RangeInclusive<f64> = 0.1..=10.0;
/// The least current of AC above 0 (IEC 61851), per phase in A.
const AC_LEAST_A: f64 = 6.0;
/// More than any conductor carries, in A, and any site draws, in W: whoever says so means something else.
const AMPS_MOST: f64 = 100_000.0;
const WATTS_MOST: f64 = 1e9;

/// Whether a site can be kept within its limits by this; the words say what to do.
///
/// # Errors
/// What is impossible, and why.
pub fn check_power(power: &SitePower) -> Result<(), String> {
    fuse_is_sensible(&power.plan.grid)?;
    for set_point in &power.set_points {
        let name = format!("set-point {:?}", set_point.name);
        is_carried("most_a", &name, set_point.most_a.iter().flatten())?;
        is_drawn(&name, set_point.most_w)?;
    }
    site(power).map(drop)
}

/// Refuses what can be computed with and cannot be meant. A plan that was taken before is still gone by.
fn fuse_is_sensible(fuse: &Fuse) -> Result<(), String> {
    is_carried("breaker_a", &fuse.name, fuse.breaker_a.iter().flatten())?;
    is_carried("unmanaged_a", &fuse.name, &fuse.unmanaged_a)?;
    is_drawn(&fuse.name, fuse.most_w)?;
    for cap in &fuse.caps {
        let name = format!("a cap of {}", fuse.name);
        if cap.most_a.is_none() && cap.most_w.is_none() {
            return Err(format!("{name} limits nothing: give most_a or most_w"));
        }
        is_carried("most_a", &name, cap.most_a.iter().flatten())?;
        is_drawn(&name, cap.most_w)?;
    }
    for outlet in &fuse.outlets {
        let name = format!("EVSE {} of station {}", outlet.evse, outlet.station);
        is_carried("most_a", &name, [&outlet.most_a])?;
        is_carried("floor_a", &name, [&outlet.floor_a])?;
        is_carried("steps_a", &name, outlet.steps_a.iter().flatten())?;
    }
    fuse.parts.iter().try_for_each(fuse_is_sensible)
}

fn is_carried<'a>(
    what: &str,
    name: &str,
    amps: impl IntoIterator<Item = &'a f64>,
) -> Result<(), String> {
    let beyond = amps.into_iter().any(|amps| *amps > AMPS_MOST);
    (!beyond)
        .then_some(())
        .ok_or_else(|| format!("{what} of {name} must be in A, at most {AMPS_MOST}"))
}

fn is_drawn(name: &str, watts: Option<f64>) -> Result<(), String> {
    let beyond = watts.is_some_and(|watts| watts > WATTS_MOST);
    (!beyond)
        .then_some(())
        .ok_or_else(|| format!("most_w of {name} must be in W, at most {WATTS_MOST}"))
}

/// The site that is computed with, its set-points included.
pub(super) fn site(power: &SitePower) -> Result<Site, String> {
    let plan = &power.plan;
    sizes(plan)?;
    if !PHASE_V.contains(&plan.phase_v) {
        return Err(format!(
            "phase_v must be the voltage of a phase to neutral, {} to {} V",
            PHASE_V.start(),
            PHASE_V.end()
        ));
    }
    for (group, weight) in &plan.group_weights {
        in_range(&format!("the weight of group {group:?}"), *weight)?;
    }
    let zone = match &plan.time_zone {
        Some(name) => Zone::named(name).map_err(|error| format!("time_zone: {error}"))?,
        None => Zone::utc(),
    };
    let grid = node(&plan.grid, &zone)?;
    let mut site = Site::new(&grid, plan.phase_v).map_err(|error| error.to_string())?;
    set_points(&mut site, &power.set_points)?;
    Ok(site)
}

fn set_points(site: &mut Site, set_points: &[SetPoint]) -> Result<(), String> {
    if set_points.len() > SET_POINTS_MOST {
        return Err(format!("a site has at most {SET_POINTS_MOST} set-points"));
    }
    for set_point in set_points {
        named("a set-point", &set_point.name)?;
        if set_point.most_a.is_none() && set_point.most_w.is_none() {
            return Err(format!(
                "set-point {:?} limits nothing: give most_a or most_w",
                set_point.name
            ));
        }
        let node = site.node(&set_point.part).ok_or_else(|| {
            format!(
                "there is no part {:?} in the site's tree to set a limit to",
                set_point.part
            )
        })?;
        site.add_cap(node, cap_of(set_point))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The cap that a set-point is.
pub(super) fn cap_of(set_point: &SetPoint) -> Cap {
    Cap {
        from_ms: set_point.from.0,
        until_ms: Some(set_point.expires_at.0),
        recurs: None,
        most_a: set_point.most_a,
        most_w: set_point.most_w,
    }
}

pub(super) fn method(sharing: Sharing) -> Method {
    match sharing {
        Sharing::Urgent => Method::Urgent,
        Sharing::Fair => Method::Fair,
    }
}

/// The unit a station takes by what is configured, else by how its outlet is wired.
pub(super) fn usual_unit(outlet: &PlannedOutlet) -> RateUnit {
    outlet.unit.unwrap_or(match outlet.wiring {
        Wiring::Dc => RateUnit::W,
        Wiring::Phases(_) | Wiring::Between(_) => RateUnit::A,
    })
}

fn sizes(plan: &PowerPlan) -> Result<(), String> {
    fn count(fuse: &Fuse) -> (usize, usize) {
        (fuse.parts.iter().map(count)).fold((1, fuse.outlets.len()), |sum, of| {
            (sum.0 + of.0, sum.1 + of.1)
        })
    }
    let (parts, outlets) = count(&plan.grid);
    if parts > PARTS_MOST || outlets > OUTLETS_MOST {
        return Err(format!(
            "a site has at most {PARTS_MOST} parts and {OUTLETS_MOST} outlets; this has {parts} and {outlets}"
        ));
    }
    Ok(())
}

fn node(fuse: &Fuse, zone: &Zone) -> Result<Node, String> {
    let parts = fuse.parts.iter().map(|part| node(part, zone));
    named("a part", &fuse.name)?;
    if fuse.caps.len() > CAPS_MOST {
        return Err(format!("{} has more than {CAPS_MOST} caps", fuse.name));
    }
    Ok(Node {
        name: fuse.name.clone(),
        most_a: fuse.breaker_a,
        most_w: fuse.most_w,
        unmanaged_a: fuse.unmanaged_a,
        caps: fuse.caps.iter().map(|it| cap(it, zone)).collect(),
        nodes: parts.collect::<Result<_, _>>()?,
        outlets: fuse.outlets.iter().map(outlet).collect::<Result<_, _>>()?,
    })
}

fn cap(cap: &FuseCap, zone: &Zone) -> Cap {
    Cap {
        from_ms: cap.from.0,
        until_ms: cap.until.map(|until| until.0),
        recurs: cap.repeat.map(|repeat| Recurrence {
            every: match repeat {
                Repeat::Daily => Every::Day,
                Repeat::Weekly => Every::Week,
            },
            zone: zone.clone(),
        }),
        most_a: cap.most_a,
        most_w: cap.most_w,
    }
}

fn outlet(planned: &PlannedOutlet) -> Result<Outlet, String> {
    let name = format!("EVSE {} of station {}", planned.evse, planned.station);
    if planned.evse == 0 {
        return Err(format!(
            "{name}: EVSEs are numbered from 1; 0 is the station as a whole"
        ));
    }
    in_range(&format!("the weight of {name}"), planned.weight)?;
    let feed = match &planned.wiring {
        Wiring::Phases(lines) => Feed::Phases(lines.iter().copied().map(phase).collect()),
        Wiring::Between([one, other]) => Feed::Between(phase(*one), phase(*other)),
        Wiring::Dc => Feed::Dc,
    };
    Ok(Outlet {
        station: planned.station.as_str().to_owned(),
        evse: planned.evse,
        steps: steps(planned, &name)?,
        feed,
        most_a: planned.most_a,
        floor_a: planned.floor_a,
        unlimitable: !planned.limitable,
    })
}

fn steps(planned: &PlannedOutlet, name: &str) -> Result<Steps, String> {
    let usual = match planned.wiring {
        Wiring::Dc => 0.0,
        Wiring::Phases(_) | Wiring::Between(_) => AC_LEAST_A,
    };
    let least = planned.least_a.unwrap_or(usual);
    let below = |amps: f64| amps > 0.0 && amps < usual;
    let Some(steps) = &planned.steps_a else {
        if !least.is_finite() || least < 0.0 || below(least) || least > planned.most_a {
            return Err(format!(
                "the least_a of {name} must be from {usual} A (IEC 61851 knows nothing between 0 and 6 A on AC) to its most_a"
            ));
        }
        return Ok(Steps::From(least));
    };
    let rises = steps.windows(2).all(|pair| pair[0] < pair[1]);
    let sound = |amps: &f64| amps.is_finite() && *amps >= 0.0 && !below(*amps);
    if steps.is_empty() || steps.len() > 100 || !rises || !steps.iter().all(sound) {
        return Err(format!(
            "the steps_a of {name} must be up to 100 currents in rising order, each 0 or from {usual} A on"
        ));
    }
    Ok(Steps::Only(steps.clone()))
}

fn phase(line: SiteLine) -> Phase {
    match line {
        SiteLine::L1 => Phase::L1,
        SiteLine::L2 => Phase::L2,
        SiteLine::L3 => Phase::L3,
    }
}

fn named(what: &str, name: &str) -> Result<(), String> {
    let sound = !name.is_empty()
        && name.chars().count() <= NAME_MOST
        && !name.chars().any(char::is_control);
    sound.then_some(()).ok_or_else(|| {
        format!("the name of {what} must be 1 to {NAME_MOST} characters without control characters")
    })
}

fn in_range(what: &str, weight: f64) -> Result<(), String> {
    WEIGHT.contains(&weight).then_some(()).ok_or_else(|| {
        format!(
            "{what} must be {} to {}; 1 is usual",
            WEIGHT.start(),
            WEIGHT.end()
        )
    })
}

#[cfg(test)]
mod tests {
    use store::contract::sample;

    use super::*;

    fn refused(change: impl Fn(&mut SitePower)) -> String {
        let mut power = sample::site_power("CP");
        change(&mut power);
        check_power(&power).expect_err("it is impossible")
    }

    #[test]
    fn a_plan_becomes_the_site_that_is_computed_with() {
        let power = sample::site_power("CP");
        let site = site(&power).expect("it can be");
        let outlet = &site.outlets()[0];
        assert_eq!(
            outlet.feed,
            Feed::Phases(vec![Phase::L2, Phase::L3, Phase::L1])
        );
        assert_eq!(outlet.steps, Steps::Only(vec![6.0, 16.0, 32.0]));
        assert_eq!(power.plan.outlets()[0].station.as_str(), outlet.station);
        let at = |at_ms| {
            let budget = site.budget(at_ms, at_ms, &Default::default());
            budget.iter().next().expect("L1 of the grid").most
        };
        assert_eq!(at(500), 63.0 - 10.0, "less the unmanaged load");
        assert_eq!(at(1_500), 20.0 - 10.0, "the daily cap");
        assert_eq!(at(3_000), 32.0 - 10.0, "the set-point");
        assert_eq!(at(9_000), 63.0 - 10.0);
    }

    #[test]
    fn what_is_impossible_is_refused_with_the_reason() {
        let floors = refused(|it| it.plan.grid.breaker_a = Some([15.0; 3]));
        assert!(floors.contains("lower the floors"), "{floors}");
        let words = refused(|it| it.plan.grid.outlets[0].floor_a = 3.0);
        assert!(words.contains("floor of 3 A"), "{words}");
        let words = refused(|it| it.plan.grid.outlets[0].evse = 0);
        assert!(words.contains("numbered from 1"), "{words}");
        let words = refused(|it| it.plan.grid.outlets[0].steps_a = Some(vec![4.0]));
        assert!(words.contains("rising order"), "{words}");
        let words = refused(|it| {
            it.plan.grid.outlets[0].steps_a = None;
            it.plan.grid.outlets[0].least_a = Some(3.0);
        });
        assert!(words.contains("IEC 61851"), "{words}");
        let words = refused(|it| it.plan.phase_v = 0.0);
        assert!(words.contains("phase_v"), "{words}");
        let words = refused(|it| it.plan.time_zone = Some("Utopia".into()));
        assert!(words.contains("no time zone is called"), "{words}");
        let words = refused(|it| it.plan.grid.name = String::new());
        assert!(words.contains("1 to 64"), "{words}");
        let words = refused(|it| it.set_points[0].part = "cellar".into());
        assert!(words.contains("no part \"cellar\""), "{words}");
        let words = refused(|it| it.set_points[0].expires_at = it.set_points[0].from);
        assert!(words.contains("end after it begins"), "{words}");
        let words = refused(|it| it.set_points[0].most_a = None);
        assert!(words.contains("limits nothing"), "{words}");
        let words = refused(|it| {
            it.plan.grid.caps[0].most_a = None;
            it.plan.grid.caps[0].most_w = None;
        });
        assert!(words.contains("a cap of grid limits nothing"), "{words}");
        let words = refused(|it| it.plan.grid.outlets[0].most_a = 1e308);
        assert!(words.contains("at most 100000"), "{words}");
        let words = refused(|it| it.plan.grid.outlets[0].floor_a = 1e9);
        assert!(words.contains("floor_a of EVSE 1"), "{words}");
        let words = refused(|it| it.plan.grid.caps[0].most_w = Some(1e12));
        assert!(words.contains("most_w of a cap of grid"), "{words}");
        let words = refused(|it| it.set_points[0].most_a = Some([1e6; 3]));
        assert!(words.contains("most_a of set-point"), "{words}");
        let words = refused(|it| it.plan.grid.outlets[0].weight = 0.0);
        assert!(words.contains("weight"), "{words}");
    }
}
