//! What a network and a recording must be, so that what is replayed means something. Said with the place and what was
//! expected there.

use std::collections::HashSet;

use super::files::{Constraint, Network, Outlet, Session, Sessions};

/// The longest recording, in periods: 19 years of 5 minutes. It is replayed period by period.
const LONGEST: i64 = 2_000_000;

/// Whether a network is one.
pub(super) fn network(network: &Network) -> Result<(), String> {
    if network.evses.is_empty() {
        return Err("it has no evses".into());
    }
    let mut ids = HashSet::new();
    for evse in &network.evses {
        let id = &evse.id;
        if !ids.insert(id) {
            return Err(format!("evse {id} is there twice"));
        }
        outlet(evse).map_err(|why| format!("evse {id}: {why}"))?;
    }
    if network.constraints.is_empty() {
        return Err("it has no constraints: nothing is to be shared".into());
    }
    let mut names = HashSet::new();
    for it in &network.constraints {
        let name = &it.name;
        if !names.insert(name) {
            return Err(format!("constraint {name} is there twice"));
        }
        constraint(it).map_err(|why| format!("constraint {name}: {why}"))?;
        if let Some(stranger) = it.coeff.keys().find(|id| !ids.contains(id)) {
            return Err(format!(
                "constraint {name} names {stranger}, which is no evse"
            ));
        }
    }
    Ok(())
}

fn outlet(evse: &Outlet) -> Result<(), String> {
    if evse.voltage_v <= 0.0 {
        return Err(format!(
            "voltage_v must be above 0, and is {}",
            evse.voltage_v
        ));
    }
    if evse.allowable_a.iter().any(|amps| *amps < 0.0) {
        return Err("allowable_a has a current below 0".into());
    }
    if evse.most_a() <= 0.0 {
        return Err("allowable_a has no current above 0".into());
    }
    Ok(())
}

fn constraint(it: &Constraint) -> Result<(), String> {
    if !it.coeff.values().any(|factor| *factor != 0.0) {
        return Err("coeff names no evse: it limits nothing".into());
    }
    let limit = match (it.limit_a, it.limit_a_per_kw) {
        (Some(limit), None) | (None, Some(limit)) => limit,
        (None, None) => return Err("it has neither limit_a nor limit_a_per_kw".into()),
        (Some(_), Some(_)) => {
            return Err("it has both limit_a and limit_a_per_kw; which one holds?".into());
        }
    };
    if limit < 0.0 {
        return Err(format!("its limit must be 0 or more, and is {limit}"));
    }
    Ok(())
}

/// Whether a recording is one, of this network.
pub(super) fn sessions(all: &Sessions, network: &Network) -> Result<(), String> {
    if all.period_min <= 0.0 {
        return Err(format!(
            "period_min must be above 0, and is {}",
            all.period_min
        ));
    }
    let ids: HashSet<&str> = network.evses.iter().map(|it| it.id.as_str()).collect();
    for (index, it) in all.sessions.iter().enumerate() {
        session(it).map_err(|why| format!("session {} (at {}): {why}", index + 1, it.evse))?;
        if !ids.contains(it.evse.as_str()) {
            return Err(format!(
                "session {}: {} is no evse of network {}",
                index + 1,
                it.evse,
                network.name
            ));
        }
    }
    let first = all.sessions.iter().map(|it| it.arrival).min();
    let last = all.sessions.iter().map(|it| it.departure).max();
    match first.zip(last) {
        None => Err("it has no sessions".into()),
        Some((first, last)) if last.saturating_sub(first) > LONGEST => Err(format!(
            "from the first arrival ({first}) to the last departure ({last}) are more than {LONGEST} periods"
        )),
        Some(_) => Ok(()),
    }
}

fn session(it: &Session) -> Result<(), String> {
    if it.departure < it.arrival {
        return Err(format!(
            "it departs ({}) before it arrives ({})",
            it.departure, it.arrival
        ));
    }
    for (name, value) in [("energy_kwh", it.energy_kwh), ("max_kw", it.max_kw)] {
        if value < 0.0 {
            return Err(format!("{name} must be 0 or more, and is {value}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What is said of this network and this recording, after a change of either.
    fn said(change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let mut site = json!({
            "network": "small",
            "evses": [{ "id": "A", "voltage_v": 230.0, "phase_angle_deg": 0.0, "continuous": false,
                "allowable_a": [32.0, 0.0, 16.0] }],
            "constraints": [{ "name": "all", "coeff": { "A": 1.0 }, "limit_a": 20.0 }],
        });
        let mut stays = json!({
            "site": "small", "period_min": 5,
            "sessions": [{ "evse": "A", "arrival": 0, "departure": 9, "energy_kwh": 3.0, "max_kw": 7.4 }],
        });
        change(&mut site, &mut stays);
        let site: Network = serde_json::from_value(site).expect("a network");
        let stays: Sessions = serde_json::from_value(stays).expect("a recording");
        let outcome = network(&site).and_then(|()| sessions(&stays, &site));
        outcome.err().unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(said(|_, _| ()), "");
        let site = |at: &'static str, value: Value| {
            said(|site, _| *site.pointer_mut(at).expect("a place") = value)
        };
        let stay = |at: &'static str, value: Value| {
            said(|_, stays| *stays.pointer_mut(at).expect("a place") = value)
        };
        for (said, word) in [
            (site("/evses", json!([])), "no evses"),
            (site("/evses/0/voltage_v", json!(0)), "voltage_v"),
            (site("/evses/0/allowable_a", json!([0.0])), "allowable_a"),
            (site("/evses/0/allowable_a", json!([-6, 6])), "below 0"),
            (site("/constraints", json!([])), "no constraints"),
            (site("/constraints/0/coeff", json!({})), "limits nothing"),
            (site("/constraints/0/coeff", json!({ "B": 1 })), "names B"),
            (site("/constraints/0/limit_a", json!(-5)), "is -5"),
            (site("/constraints/0/limit_a", Value::Null), "neither"),
            (stay("/period_min", json!(0)), "period_min"),
            (stay("/sessions", json!([])), "no sessions"),
            (stay("/sessions/0/evse", json!("B")), "B is no evse"),
            (stay("/sessions/0/departure", json!(-1)), "departs (-1)"),
            (stay("/sessions/0/departure", json!(i64::MAX)), "periods"),
            (stay("/sessions/0/energy_kwh", json!(-3)), "energy_kwh"),
            (stay("/sessions/0/max_kw", json!(-3)), "max_kw"),
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}
