//! The writes that wait in the spool, as whoever reads a session has to see them: on top of what the
//! remote store holds. Pure.

use std::collections::{BTreeMap, HashMap};

use model::{RetryKey, Session, SessionId, SessionState, StationId};
use store::{Committed, Hydration, Page, PageRequest, SessionCommit, SessionFilter, WriteError};

/// A write of a session, by name.
#[derive(Debug)]
pub(crate) struct Write {
    session: SessionId,
    key: (StationId, RetryKey),
}

impl Write {
    pub(crate) fn of(commit: &SessionCommit) -> Self {
        Self {
            session: commit.session.id,
            key: (
                commit.session.station.clone(),
                commit.event.retry_key.clone(),
            ),
        }
    }
}

/// What waits of the sessions.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    sessions: HashMap<SessionId, Held>,
    names: BTreeMap<(StationId, String), SessionId>,
    keys: HashMap<(StationId, RetryKey), SessionId>,
}

/// A session of which something waits.
#[derive(Debug)]
struct Held {
    /// As of the last write that is durable here; absent while the first is under way.
    latest: Option<Session>,
    epoch: i64,
    /// How many of its writes wait or are under way.
    writes: usize,
}

impl Waiting {
    /// Whether a session has to go on in the spool, since writes of it wait there.
    pub(crate) fn holds(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether something waits of a session of that station.
    pub(crate) fn holds_any_of(&self, station: &StationId) -> bool {
        self.names_of(station).next().is_some()
    }

    /// The sessions of that station of which something waits, by name.
    fn names_of(&self, station: &StationId) -> impl Iterator<Item = &SessionId> {
        let first = (station.clone(), String::new());
        let own = self.names.range(first..);
        own.take_while(move |((of, _), _)| of == station)
            .map(|(_, id)| id)
    }

    /// What the contract of [`store::SessionStore::commit_session`] has to say to a commit, as far as
    /// can be told from here; nothing, where it may be written.
    pub(crate) fn objection(
        &self,
        commit: &SessionCommit,
    ) -> Option<Result<Committed, WriteError>> {
        let station = &commit.session.station;
        if let Some(session) = self.by_key(station, &commit.event.retry_key) {
            return Some(Ok(Committed::Repeat(Box::new(session.clone()))));
        }
        let id = commit.session.id;
        if let Some(session) = self.by_id(id)
            && id.began_with(station, &commit.event.retry_key)
        {
            // What follows the message waits here, so the remote holds it; whoever sends it again, and
            // cannot be told by the remote, must not begin the session anew.
            return Some(Ok(Committed::Repeat(Box::new(session.clone()))));
        }
        match self.sessions.get(&id) {
            Some(held) if commit.epoch < held.epoch => Some(Err(WriteError::Stale)),
            Some(_) => None,
            None => {
                let holder = self.by_name(station, &commit.session.transaction)?;
                Some(Ok(Committed::Taken(Box::new(holder.clone()))))
            }
        }
    }

    /// A write begins. Until it has [failed](Self::failed) or is [gone](Self::gone), its session goes on
    /// here.
    pub(crate) fn begins(&mut self, id: SessionId) {
        let held = self.sessions.entry(id).or_insert(Held {
            latest: None,
            epoch: i64::MIN,
            writes: 0,
        });
        held.writes += 1;
    }

    /// A write that began is durable.
    pub(crate) fn written(&mut self, commit: &SessionCommit) {
        let SessionCommit {
            session,
            event,
            epoch,
        } = commit;
        let Some(held) = self.sessions.get_mut(&session.id) else {
            return;
        };
        held.latest = Some(session.clone());
        held.epoch = held.epoch.max(*epoch);
        let station = &session.station;
        self.names
            .insert((station.clone(), session.transaction.clone()), session.id);
        let key = (station.clone(), event.retry_key.clone());
        if self.keys.insert(key, session.id).is_some() {
            // The same write waits already, so the session stays.
            self.one_less(session.id);
        }
    }

    /// A write that began was not written. The session, as it was last decided, if nothing else of it waits.
    pub(crate) fn failed(&mut self, id: SessionId) -> Option<Session> {
        self.one_less(id)
    }

    /// A write that waited is here no more. The session, as it was last decided, if nothing else of it waits.
    pub(crate) fn gone(&mut self, write: &Write) -> Option<Session> {
        self.keys.remove(&write.key)?;
        self.one_less(write.session)
    }

    fn one_less(&mut self, id: SessionId) -> Option<Session> {
        let held = self.sessions.get_mut(&id)?;
        held.writes -= 1;
        if held.writes > 0 {
            return None;
        }
        let session = self.sessions.remove(&id)?.latest?;
        let name = (session.station.clone(), session.transaction.clone());
        self.names.remove(&name);
        Some(session)
    }

    /// The session of that id, if something of it waits.
    pub(crate) fn by_id(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)?.latest.as_ref()
    }

    /// The session the station calls so, if something of it waits.
    pub(crate) fn by_name(&self, station: &StationId, name: &str) -> Option<&Session> {
        let id = self.names.get(&(station.clone(), name.to_owned()))?;
        self.by_id(*id)
    }

    /// The session whose waiting writes hold this key.
    pub(crate) fn by_key(&self, station: &StationId, key: &RetryKey) -> Option<&Session> {
        let id = self.keys.get(&(station.clone(), key.clone()))?;
        self.by_id(*id)
    }

    /// Puts what waits on top of a page of the remote store's list: what is newer here, and what is only
    /// here.
    pub(crate) fn over_list(
        &self,
        filter: &SessionFilter,
        request: &PageRequest,
        page: Page<Session>,
    ) -> Page<Session> {
        let Ok(after) = request.place::<SessionId>() else {
            return page;
        };
        let ends = page
            .next
            .as_ref()
            .and(page.items.last())
            .map(|last| last.id);
        let belongs = |id: SessionId| {
            after.is_none_or(|after| id < after) && ends.is_none_or(|ends| id >= ends)
        };
        let is_waiting = |id| self.by_id(id).is_some();
        let mut found: Vec<Session> = page.items;
        found.retain(|session| !is_waiting(session.id));
        let waiting = self
            .sessions
            .values()
            .filter_map(|held| held.latest.as_ref());
        let waiting = waiting.filter(|session| belongs(session.id) && filter.is_met(session));
        found.extend(waiting.cloned());
        found.sort_unstable_by_key(|session| std::cmp::Reverse(session.id));
        let cut = Page::cut(
            request,
            found.into_iter().map(|session| (session.id, session)),
        );
        Page {
            // Where nothing was cut off, the remote's list goes on where its page ended.
            next: cut.next.or(page.next),
            items: cut.items,
        }
    }

    /// Puts what waits of a station on top of what the remote store holds.
    pub(crate) fn over(&self, station: &StationId, hydration: &mut Hydration) {
        let own = self.names_of(station);
        for held in own.filter_map(|id| self.sessions.get(id)) {
            let Some(session) = &held.latest else {
                continue;
            };
            let open = &mut hydration.open_sessions;
            open.retain(|other| other.id != session.id);
            if session.state == SessionState::Active {
                open.push(session.clone());
            }
            hydration.last_number = hydration.last_number.max(session.number());
            hydration.last_epoch = hydration.last_epoch.max(Some(held.epoch));
        }
    }
}
