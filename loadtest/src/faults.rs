//! What some real chargers do wrong with charging profiles, to be switched on one by one.

use std::str::FromStr;
use std::time::Duration;

/// The unit of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// Per phase.
    Amperes,
    /// All phases together.
    Watts,
}

/// How a charger's firmware misbehaves; the default obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// `delays-5s`: it accepts, and obeys so much later.
    pub obeys_after: Duration,
    /// `rejects`: it refuses every profile.
    pub rejects: bool,
    /// `ignores`: it accepts profiles and clears, and does nothing.
    pub ignores: bool,
    /// `each-connector`: it lets each connector take what the station as a whole may.
    pub each_connector: bool,
    /// `forgets`: its profiles are gone when it restarts.
    pub forgets_on_reboot: bool,
    /// `keeps-offline`: while it has no socket the clock of its profiles stands still, so that none ends.
    pub keeps_offline: bool,
    /// `only-amperes`, `only-watts`: it refuses the other unit.
    pub only: Option<RateUnit>,
    /// `takes-any-tx`: it takes a TxProfile for any transaction, or for the next one where none runs. Chargers that obey
    /// refuse those.
    pub takes_any_tx: bool,
    /// `only-register`: its meter tells the energy register, and neither current nor power.
    pub only_register: bool,
    /// `only-voltage`: its meter tells neither energy nor current nor power.
    pub only_voltage: bool,
    /// `no-schedule`: it refuses to tell its composite schedule.
    pub no_schedule: bool,
    /// `behind-50s`: its clock is so much behind, whatever it is told.
    pub clock_behind: Duration,
}

impl FromStr for Faults {
    type Err = String;

    /// Names with commas between them.
    fn from_str(names: &str) -> Result<Self, Self::Err> {
        let mut faults = Self::default();
        for name in names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name {
                "rejects" => faults.rejects = true,
                "ignores" => faults.ignores = true,
                "each-connector" => faults.each_connector = true,
                "forgets" => faults.forgets_on_reboot = true,
                "keeps-offline" => faults.keeps_offline = true,
                "only-amperes" => faults.only = Some(RateUnit::Amperes),
                "only-watts" => faults.only = Some(RateUnit::Watts),
                "takes-any-tx" => faults.takes_any_tx = true,
                "only-register" => faults.only_register = true,
                "only-voltage" => faults.only_voltage = true,
                "no-schedule" => faults.no_schedule = true,
                _ => match (seconds(name, "delays-"), seconds(name, "behind-")) {
                    (Some(delay), _) => faults.obeys_after = delay,
                    (_, Some(behind)) => faults.clock_behind = behind,
                    (None, None) => {
                        return Err(format!(
                            "no fault is called {name}; there are delays-5s (any number of seconds), rejects, ignores, \
                             each-connector, forgets, keeps-offline, only-amperes, only-watts, takes-any-tx, only-register, \
                             only-voltage, no-schedule, behind-50s"
                        ));
                    }
                },
            }
        }
        Ok(faults)
    }
}

/// The seconds of a fault that is called `kind`, so many and `s`.
fn seconds(name: &str, kind: &str) -> Option<Duration> {
    let number = name.strip_prefix(kind)?.strip_suffix('s')?;
    let seconds: u16 = number.parse().ok()?;
    Some(Duration::from_secs(u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_by_their_names() {
        let faults: Faults = "delays-7s, ignores,only-watts,behind-50s"
            .parse()
            .expect("known names");
        assert_eq!(faults.obeys_after, Duration::from_secs(7));
        assert_eq!(faults.clock_behind, Duration::from_secs(50));
        assert!(faults.ignores && faults.only == Some(RateUnit::Watts) && !faults.rejects);
        let unknown = "dances".parse::<Faults>().expect_err("no such fault");
        assert!(
            unknown.contains("dances") && unknown.contains("keeps-offline"),
            "{unknown}"
        );
    }
}
