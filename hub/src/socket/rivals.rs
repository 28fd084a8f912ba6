//! Two devices with one identity: cloned configurations, a spare charger that was set up as the one it
//! spares. Each evicts the other (the newest socket wins), comes back, is evicted: neither works, and
//! transactions of both mix. Found here, and held: one keeps the identity, the other is turned away until
//! it has stayed away for a while. Pure; see [`super::conflicts`] for who asks.
//!
//! What counts is an eviction that the evicted device *answers* (it acknowledges the close frame, or a
//! ping of that moment): it was there, and was no half-open socket of the same device. Two devices are
//! told apart by what their BootNotification says and, only where it is not known of both, by their
//! addresses. So what a single device does is never taken for two:
//! - it comes back over its half-open socket: nobody answers the eviction;
//! - its address changes (mobile networks, NAT): likewise, and it does not change back and forth
//!   between two that both answer;
//! - its firmware opens a second socket beside the first: it is the same device at the same address.

use std::net::IpAddr;

use model::{BootInfo, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// So many answered evictions in a row, each of the other device than the one before, are a conflict:
/// both were evicted twice while they were there.
const TURNS: usize = 4;
/// So many of devices that have not said what they are, and the next one is asked.
const UNKNOWN_TURNS: usize = 2;
/// Of so many sockets it is remembered what their boot said.
const BOOTS_MOST: usize = 8;

/// A device, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Device {
    /// The address it last connected from.
    #[schema(value_type = String)]
    pub(crate) peer: IpAddr,
    /// What its BootNotification said; absent where it sent none since it connected.
    pub(crate) boot: Option<BootInfo>,
}

/// An identity that two devices use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct IdentityConflict {
    /// Since when it is known.
    pub(crate) since: Timestamp,
    /// When the device was last there that keeps the identity.
    pub(crate) keeper_seen_at: Timestamp,
    /// The device that keeps the identity.
    pub(crate) keeper: Device,
    /// The device that is turned away.
    pub(crate) other: Device,
    /// When it last tried.
    pub(crate) other_tried_at: Timestamp,
    /// How often it was turned away.
    pub(crate) turned_away: u64,
    /// The keeper was the one that had just been evicted.
    #[serde(skip)]
    pub(crate) evicted_keeps: bool,
}

/// What is known of who uses an identity, from the first time somebody took it over.
#[derive(Debug)]
pub(crate) struct Rivals {
    /// What the station's boot had said before that.
    recorded: Option<BootInfo>,
    /// What was said at which socket, by epoch; the newest last.
    boots: Vec<(i64, BootInfo)>,
    /// Evictions that were answered, one for each turn.
    turns: Vec<(Device, Timestamp)>,
    /// When devices that had not said what they are answered their eviction.
    unknown: Vec<Timestamp>,
    /// When somebody last took the identity over.
    taken_over_at: Timestamp,
    held: Option<IdentityConflict>,
}

/// What becomes of somebody who wants to connect, or of the device that a BootNotification shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It may.
    Fine,
    /// It may not: it is the other device.
    Other,
    /// It is the other device if the keeper's socket is alive.
    OtherIfKeeperLives,
}

impl IdentityConflict {
    /// Whether a BootNotification tells the two apart.
    fn boots_tell(&self) -> bool {
        match (&self.keeper.boot, &self.other.boot) {
            (Some(keeper), Some(other)) => !same_device(keeper, other),
            _ => false,
        }
    }
}

impl Device {
    /// Whether both are the same, as far as can be told.
    fn is(&self, other: &Self) -> bool {
        match (&self.boot, &other.boot) {
            (Some(mine), Some(others)) => same_device(mine, others),
            _ => self.peer == other.peer,
        }
    }
}

/// Whether two boots are of one device. Firmware and SIM may change.
fn same_device(one: &BootInfo, other: &BootInfo) -> bool {
    let marks = |boot: &BootInfo| (boot.serial.clone(), boot.vendor.clone(), boot.model.clone());
    marks(one) == marks(other)
}

impl Rivals {
    /// Somebody takes an identity over, for the first time in a while, from the socket of epoch `from`.
    pub(crate) fn new(recorded: Option<BootInfo>, from: i64, now: Timestamp) -> Self {
        Self {
            boots: recorded.iter().map(|boot| (from, boot.clone())).collect(),
            recorded,
            turns: Vec::new(),
            unknown: Vec::new(),
            taken_over_at: now,
            held: None,
        }
    }

    /// Somebody takes the identity over.
    pub(crate) fn taken_over(&mut self, now: Timestamp) {
        self.taken_over_at = now;
    }

    /// The device at the socket of that epoch answered its eviction. Returns the conflict that this shows,
    /// once.
    pub(crate) fn evicted(
        &mut self,
        epoch: i64,
        peer: IpAddr,
        now: Timestamp,
        window_ms: i64,
    ) -> Option<&IdentityConflict> {
        if self.held.is_some() {
            return None;
        }
        let evicted = Device {
            peer,
            boot: self.boot_at(epoch).cloned(),
        };
        if self.replaced_itself(epoch) {
            return None;
        }
        if evicted.boot.is_none() {
            self.unknown.retain(|at| now.ms_since(*at) <= window_ms);
            self.unknown.truncate(UNKNOWN_TURNS);
            self.unknown.push(now);
        }
        self.turns.retain(|(_, at)| now.ms_since(*at) <= window_ms);
        match self.turns.last_mut() {
            // The same again: what is known of it by now.
            Some((last, at)) if last.is(&evicted) => (*last, *at) = (evicted, now),
            _ => self.turns.push((evicted, now)),
        }
        let recent = self.turns.len().checked_sub(TURNS)?;
        let [first, second, third, fourth] = &self.turns[recent..] else {
            return None;
        };
        if !(first.0.is(&third.0) && second.0.is(&fourth.0)) {
            return None;
        }
        // It was evicted by the one that was evicted before.
        let (evicted, incumbent) = (fourth.0.clone(), third.0.clone());
        let evicted_keeps = self.is_recorded(&evicted) && !self.is_recorded(&incumbent);
        let (keeper, other) = match evicted_keeps {
            true => (evicted, incumbent),
            false => (incumbent, evicted),
        };
        Some(self.held.insert(IdentityConflict {
            since: now,
            keeper_seen_at: now,
            keeper,
            other,
            other_tried_at: now,
            turned_away: 0,
            evicted_keeps,
        }))
    }

    /// Whether the device that was evicted from the socket of that epoch is at a newer one.
    fn replaced_itself(&self, epoch: i64) -> bool {
        let newest = self.boots.last().filter(|(at, _)| *at > epoch);
        match (newest, self.boot_at(epoch)) {
            (Some((_, there)), Some(evicted)) => same_device(there, evicted),
            _ => false,
        }
    }

    fn boot_at(&self, epoch: i64) -> Option<&BootInfo> {
        let mut newest_first = self.boots.iter().rev();
        newest_first
            .find(|(at, _)| *at == epoch)
            .map(|(_, boot)| boot)
    }

    fn is_recorded(&self, device: &Device) -> bool {
        match (&self.recorded, &device.boot) {
            (Some(recorded), Some(boot)) => same_device(recorded, boot),
            _ => false,
        }
    }

    /// The conflict while the identity is held.
    pub(crate) fn held(&self) -> Option<&IdentityConflict> {
        self.held.as_ref()
    }

    /// Somebody wants to connect from that address, while the socket of epoch `there` is open.
    pub(crate) fn connects(&self, peer: IpAddr, there: Option<i64>) -> Judgement {
        let Some(held) = &self.held else {
            return Judgement::Fine;
        };
        let addresses_tell = held.keeper.peer != held.other.peer;
        match () {
            () if addresses_tell && peer == held.other.peer => Judgement::Other,
            () if addresses_tell && peer == held.keeper.peer => Judgement::Fine,
            // A keeper whose address changed, or the other one. Whoever is there found the place free, and
            // has not said which it is.
            () if held.boots_tell() && there.is_some_and(|there| !self.is_keeper(there)) => {
                Judgement::Fine
            }
            () => Judgement::OtherIfKeeperLives,
        }
    }

    /// Whether who was let in, to the socket of that epoch, has to be asked which device it is: two are held,
    /// or some that evict each other connect again without a boot, so that nothing tells them apart.
    pub(crate) fn must_ask(&self, epoch: i64) -> bool {
        let asks = match &self.held {
            Some(held) => held.boots_tell(),
            None => self.unknown.len() >= UNKNOWN_TURNS,
        };
        asks && self.boot_at(epoch).is_none()
    }

    /// Whether the keeper said at the socket of that epoch what it is.
    fn is_keeper(&self, epoch: i64) -> bool {
        let keeper = self
            .held
            .as_ref()
            .and_then(|held| held.keeper.boot.as_ref());
        match (keeper, self.boot_at(epoch)) {
            (Some(keeper), Some(boot)) => same_device(keeper, boot),
            _ => false,
        }
    }

    /// A device says what it is, at the socket of that epoch.
    pub(crate) fn boots(
        &mut self,
        epoch: i64,
        peer: IpAddr,
        boot: &BootInfo,
        now: Timestamp,
    ) -> Judgement {
        if self.boots.len() == BOOTS_MOST {
            self.boots.remove(0);
        }
        self.boots.push((epoch, boot.clone()));
        let Some(held) = &mut self.held else {
            return Judgement::Fine;
        };
        let is = |device: &Device| {
            let known = device.boot.as_ref();
            known.is_some_and(|known| same_device(known, boot))
        };
        if is(&held.other) && !is(&held.keeper) {
            return Judgement::Other;
        }
        if is(&held.keeper) {
            held.keeper.peer = peer;
            held.keeper_seen_at = now;
        }
        Judgement::Fine
    }

    /// The other device was turned away; the keeper's socket was alive then, or not.
    pub(crate) fn turned_away(&mut self, keeper_lives: bool, now: Timestamp) {
        if let Some(held) = &mut self.held {
            held.turned_away += 1;
            held.other_tried_at = now;
            if keeper_lives {
                held.keeper_seen_at = now;
            }
        }
    }

    /// Whether there is nothing left to know: the other device stays away, or the one that keeps the
    /// identity does, or nobody has taken it over for so long.
    pub(crate) fn is_over(&self, now: Timestamp, window_ms: i64) -> bool {
        match &self.held {
            Some(held) => {
                let first = held.other_tried_at.min(held.keeper_seen_at);
                now.ms_since(first) > window_ms
            }
            None => now.ms_since(self.taken_over_at) > window_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: i64 = 300_000;
    const HOME: u8 = 1;
    const AWAY: u8 = 2;

    fn peer(host: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, host])
    }

    fn boot(serial: &str) -> BootInfo {
        BootInfo {
            vendor: "Acme".into(),
            model: "One".into(),
            serial: Some(serial.into()),
            ..BootInfo::default()
        }
    }

    /// Sockets that evict each other, ten seconds apart; each answers its eviction.
    struct Story {
        rivals: Rivals,
        epoch: i64,
        now: Timestamp,
    }

    impl Story {
        fn begins(recorded: Option<&str>) -> Self {
            let now = Timestamp(1_000_000);
            Self {
                rivals: Rivals::new(recorded.map(boot), 0, now),
                epoch: 0,
                now,
            }
        }

        /// The one that was there is evicted and answers; it was at `host`. The next one boots, or not.
        fn evicts(&mut self, host: u8, next: Option<(u8, &str)>) -> bool {
            self.now = self.now.plus_ms(10_000);
            self.rivals.taken_over(self.now);
            let shown = self
                .rivals
                .evicted(self.epoch, peer(host), self.now, WINDOW_MS)
                .is_some();
            self.epoch += 1;
            if let Some((host, serial)) = next {
                let boot = boot(serial);
                self.rivals.boots(self.epoch, peer(host), &boot, self.now);
            }
            shown
        }
    }

    #[test]
    fn two_that_evict_each_other_twice_are_found_and_the_recorded_one_keeps_the_identity() {
        let mut story = Story::begins(Some("A"));
        assert!(!story.evicts(HOME, Some((HOME, "B"))));
        assert!(!story.evicts(HOME, Some((HOME, "A"))));
        assert!(!story.evicts(HOME, Some((HOME, "B"))));
        assert!(story.evicts(HOME, Some((HOME, "A"))), "at one address");
        let held = story.rivals.held().unwrap();
        assert_eq!(held.keeper.boot, Some(boot("A")));
        assert_eq!(held.other.boot, Some(boot("B")));
        let connects = |there| story.rivals.connects(peer(HOME), there);
        assert_eq!(connects(Some(story.epoch)), Judgement::OtherIfKeeperLives);
        assert_eq!(
            connects(Some(story.epoch + 1)),
            Judgement::Fine,
            "it is not known who is there"
        );
        assert!(story.rivals.must_ask(story.epoch + 1));
        assert!(!story.rivals.must_ask(story.epoch));
        let boots =
            |rivals: &mut Rivals, serial| rivals.boots(9, peer(HOME), &boot(serial), Timestamp(0));
        assert_eq!(boots(&mut story.rivals, "B"), Judgement::Other);
        assert_eq!(boots(&mut story.rivals, "A"), Judgement::Fine);
    }

    #[test]
    fn a_device_that_evicts_itself_takes_no_turn() {
        let mut story = Story::begins(None);
        story.rivals.boots(0, peer(HOME), &boot("A"), Timestamp(0));
        for next in ["B", "A", "B"] {
            assert!(!story.evicts(HOME, Some((HOME, next))));
        }
        // B opens another socket, and boots there before the one it had answers its eviction.
        let epoch = story.epoch;
        let b = boot("B");
        story.rivals.boots(epoch + 1, peer(HOME), &b, story.now);
        assert!(!story.evicts(HOME, None));
        assert_eq!(story.rivals.held(), None);
        assert!(story.evicts(HOME, Some((HOME, "A"))));
        let held = story.rivals.held().unwrap();
        assert_eq!(held.keeper.boot, Some(boot("A")));
    }

    #[test]
    fn some_that_evict_each_other_without_a_boot_are_asked_and_then_found() {
        let mut story = Story::begins(Some("A"));
        // The first is known by what is on record.
        for _ in 0..=UNKNOWN_TURNS {
            assert!(!story.rivals.must_ask(story.epoch));
            assert!(!story.evicts(HOME, None));
        }
        for serial in ["A", "B", "A"] {
            assert!(story.rivals.must_ask(story.epoch));
            let told = boot(serial);
            story
                .rivals
                .boots(story.epoch, peer(HOME), &told, story.now);
            assert!(!story.evicts(HOME, None), "{serial}");
        }
        let told = boot("B");
        story
            .rivals
            .boots(story.epoch, peer(HOME), &told, story.now);
        assert!(story.evicts(HOME, None));
    }

    #[test]
    fn without_a_record_the_incumbent_keeps_it() {
        let mut story = Story::begins(None);
        for turn in 0..3 {
            let (evicted, next) = [(HOME, AWAY), (AWAY, HOME)][turn % 2];
            assert!(!story.evicts(evicted, None), "{next}");
        }
        assert!(
            story.evicts(AWAY, None),
            "by address, as nothing else is known"
        );
        let held = story.rivals.held().unwrap();
        assert_eq!(
            (held.keeper.peer, held.other.peer),
            (peer(HOME), peer(AWAY))
        );
        let connects = |host| story.rivals.connects(peer(host), Some(story.epoch));
        assert_eq!(connects(AWAY), Judgement::Other);
        assert_eq!(connects(HOME), Judgement::Fine);
        assert_eq!(connects(7), Judgement::OtherIfKeeperLives);
        assert!(!story.rivals.must_ask(9), "they do not say what they are");
    }

    #[test]
    fn one_device_with_two_sockets_is_no_conflict() {
        let mut story = Story::begins(Some("A"));
        for _ in 0..50 {
            assert!(!story.evicts(HOME, Some((HOME, "A"))));
        }
    }

    #[test]
    fn one_device_that_changes_its_address_is_no_conflict() {
        let mut known = Story::begins(Some("A"));
        for turn in 0..50 {
            let host = [HOME, AWAY][turn % 2];
            assert!(!known.evicts(host, Some((host, "A"))), "the serial tells");
        }
        let mut unknown = Story::begins(None);
        for host in 0..50 {
            assert!(!unknown.evicts(host, None), "each address is new");
        }
    }

    #[test]
    fn evictions_that_nobody_answers_are_no_conflict() {
        let mut story = Story::begins(Some("A"));
        for _ in 0..50 {
            story.rivals.taken_over(story.now);
        }
        assert!(story.rivals.held().is_none());
    }

    #[test]
    fn a_replacement_is_no_conflict() {
        let mut story = Story::begins(Some("OLD"));
        assert!(!story.evicts(HOME, Some((HOME, "NEW"))));
        for _ in 0..50 {
            assert!(!story.evicts(HOME, Some((HOME, "NEW"))));
        }
    }

    #[test]
    fn turns_that_are_long_ago_do_not_count() {
        let mut story = Story::begins(Some("A"));
        for turn in 0..20 {
            let next = ["B", "A"][turn % 2];
            assert!(!story.evicts(HOME, Some((HOME, next))));
            story.now = story.now.plus_ms(WINDOW_MS / 2);
        }
    }

    #[test]
    fn it_is_over_when_either_stays_away() {
        let held = || {
            let mut story = Story::begins(Some("A"));
            for next in ["B", "A", "B", "A"] {
                story.evicts(HOME, Some((HOME, next)));
            }
            assert!(!story.rivals.is_over(story.now, WINDOW_MS));
            story
        };
        let mut both_there = held();
        let mut keeper_gone = held();
        let other_gone = held();
        for minute in 1..=6 {
            let now = both_there.now.plus_ms(minute * 60_000);
            both_there.rivals.turned_away(true, now);
            keeper_gone.rivals.turned_away(false, now);
        }
        let later = both_there.now.plus_ms(6 * 60_000);
        assert!(!both_there.rivals.is_over(later, WINDOW_MS));
        assert!(keeper_gone.rivals.is_over(later, WINDOW_MS));
        assert!(other_gone.rivals.is_over(later, WINDOW_MS));
    }
}
