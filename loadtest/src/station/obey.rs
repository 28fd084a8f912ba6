//! What a charger does when the central system calls: it acts at once and answers.

use ocpp::{ErrorCode, Protocol, frame};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Output, Station};
use crate::charging::{self, ChargingProfile};
use crate::connector::Connector;
use crate::desk::{Now, Purpose};
use crate::message::{Command, Denial, Key, StepKind, StopReason, Trigger};
use crate::settings::{Setting, Verdict};
use crate::version::Version;

impl Station {
    /// Obeys a CALL and returns the answering frame.
    pub(super) fn obey(
        &mut self,
        id: &str,
        action: &str,
        payload: &RawValue,
        now: Now,
        out: &mut Output,
    ) -> String {
        let usual = self.desk.build().usual_unit();
        match self.desk.dialect().command(action, payload, usual) {
            Ok(command) => frame::call_result(id, &self.carry_out(command, now, out)),
            Err(denial) => self.deny(id, action, &denial),
        }
    }

    fn deny(&self, id: &str, action: &str, denial: &Denial) -> String {
        let protocol = match self.desk.profile.version {
            Version::V16 => Protocol::Ocpp16,
            Version::V201 => Protocol::Ocpp201,
            Version::V21 => Protocol::Ocpp21,
        };
        let (code, words) = match denial {
            Denial::NotImplemented => (
                ErrorCode::NotImplemented,
                format!("{action} is not known here"),
            ),
            Denial::NotSupported => (
                ErrorCode::NotSupported,
                format!("{action} is not supported by this charger"),
            ),
            Denial::Malformed(problem) => (ErrorCode::FormatViolation, problem.clone()),
        };
        frame::call_error(id, code, protocol, &words)
    }

    fn carry_out(&mut self, command: Command, now: Now, out: &mut Output) -> String {
        match command {
            Command::RemoteStart {
                connector,
                token,
                remote_start_id,
                profile,
            } => status(self.remote_start(connector, token, remote_start_id, profile, now)),
            Command::RemoteStop { transaction } => {
                let found = self.connectors.iter_mut().find(|connector| {
                    connector
                        .session()
                        .is_some_and(|it| it.id() == Some(transaction.as_str()))
                });
                let stopped = found.map(|it| it.end(&mut self.desk, StopReason::Remote, now));
                status(if stopped.is_some() {
                    "Accepted"
                } else {
                    "Rejected"
                })
            }
            Command::Reset => {
                for connector in &mut self.connectors {
                    if connector.session().is_some() {
                        connector.end(&mut self.desk, StopReason::Reset, now);
                    }
                }
                out.restart = true;
                status("Accepted")
            }
            Command::Unlock { connector } => status(self.unlock(connector, now)),
            Command::ChangeAvailability {
                connector,
                operative,
            } => {
                let mut scheduled = false;
                for it in chosen(&mut self.connectors, connector) {
                    scheduled |= it.set_operative(&mut self.desk, operative, now);
                }
                status(if scheduled { "Scheduled" } else { "Accepted" })
            }
            Command::Trigger { message, connector } => {
                status(self.trigger(message, connector, now))
            }
            Command::GetSettings(keys) => self.desk.dialect().settings(&keys, &self.desk.settings),
            Command::SetSettings(changes) => self.set_settings(changes),
            Command::SetProfile(set) => self.set_profile(*set, now),
            Command::ClearProfiles(which) => self.clear_profiles(which, now),
            Command::Composite(request) => self.composite(&request, now),
            Command::BaseReport { request_id } => {
                let report =
                    self.desk
                        .dialect()
                        .base_report(request_id, &self.desk.settings, now.wall);
                self.desk.say(report, Purpose::Report);
                status("Accepted")
            }
            Command::TransactionStatus { transaction } => {
                self.transaction_status(transaction.as_deref())
            }
        }
    }

    fn remote_start(
        &mut self,
        connector: Option<u32>,
        token: String,
        remote_start_id: Option<i64>,
        profile: Option<Box<ChargingProfile>>,
        now: Now,
    ) -> &'static str {
        let free = chosen(&mut self.connectors, connector).find(|connector| connector.is_free());
        let Some(connector) = free else {
            return "Rejected";
        };
        let evse = connector.id();
        let fits =
            |it: &ChargingProfile| charging::may_come_with_start(self.desk.build(), evse, it);
        if !profile.as_deref().is_none_or(fits) {
            return "Rejected";
        }
        connector.begin_natural(&mut self.desk, Some(token), remote_start_id, now);
        if let Some(mut profile) = profile {
            profile.transaction =
                (connector.session()).and_then(|session| session.id().map(str::to_owned));
            let _ = self.install(evse, *profile, now);
        }
        "Accepted"
    }

    fn unlock(&mut self, connector: u32, now: Now) -> &'static str {
        let Some(connector) = chosen(&mut self.connectors, Some(connector)).next() else {
            return match self.desk.profile.version {
                Version::V16 => "NotSupported",
                Version::V201 | Version::V21 => "UnknownConnector",
            };
        };
        if connector.session().is_some() {
            if self.desk.profile.version != Version::V16 {
                return "OngoingAuthorizedTransaction";
            }
            connector.end(&mut self.desk, StopReason::Unlock, now);
        }
        "Unlocked"
    }

    fn trigger(&mut self, trigger: Trigger, connector: Option<u32>, now: Now) -> &'static str {
        match trigger {
            Trigger::Boot => self.boot_at = Some(now.instant),
            Trigger::Heartbeat => self.queue_heartbeat(),
            Trigger::Status => {
                for it in chosen(&mut self.connectors, connector) {
                    it.repeat_status(&mut self.desk, now);
                }
            }
            Trigger::MeterValues => {
                for it in chosen(&mut self.connectors, connector) {
                    let (id, reading) = (it.id(), it.reading(&self.desk, now));
                    let message = self.desk.dialect().meter_values(id, &reading, now.wall, 0);
                    self.desk.say(message, Purpose::Report);
                }
            }
            Trigger::TransactionEvent => {
                let mut any = false;
                for it in
                    chosen(&mut self.connectors, connector).filter(|it| it.session().is_some())
                {
                    it.step(&mut self.desk, StepKind::Triggered, now);
                    any = true;
                }
                return if any { "Accepted" } else { "Rejected" };
            }
            Trigger::Unknown => return "NotImplemented",
        }
        "Accepted"
    }

    fn set_settings(&mut self, changes: Vec<(Key, String)>) -> String {
        let mut outcomes = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            let verdict = match key.setting {
                Some(setting) => self.desk.settings.set(setting, &value),
                None if Setting::has_component(&key.component) => Verdict::Unknown,
                None => Verdict::UnknownComponent,
            };
            outcomes.push((key, verdict));
        }
        self.desk.dialect().settings_changed(&outcomes)
    }

    /// Whether the transaction runs, and whether messages of it (or of any, when none is named) still wait.
    fn transaction_status(&self, transaction: Option<&str>) -> String {
        let Some(id) = transaction else {
            return json!({ "messagesInQueue": !self.desk.queue.is_empty() }).to_string();
        };
        let mut sessions = self
            .connectors
            .iter()
            .filter_map(|connector| connector.session());
        let ongoing = sessions.any(|session| session.id() == Some(id));
        let waiting = self.desk.queue.mentions(id);
        json!({ "messagesInQueue": waiting, "ongoingIndicator": ongoing }).to_string()
    }
}

/// The connector with this number, or all.
fn chosen(
    connectors: &mut [Connector],
    number: Option<u32>,
) -> impl Iterator<Item = &mut Connector> {
    connectors
        .iter_mut()
        .filter(move |connector| number.is_none_or(|number| number == connector.id()))
}

pub(super) fn status(status: &'static str) -> String {
    json!({ "status": status }).to_string()
}
