//! A simulated charger on its WebSocket: one task that connects, carries frames, and comes back after a loss.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::connect;
use crate::desk::Now;
use crate::observer::{Event, Observer};
use crate::profile::{Pace, Profile};
use crate::station::{Output, Station};
use crate::visit::Visit;

/// How long a charger is away when it restarts.
const RESTART: Duration = Duration::from_secs(2);
/// How far away a deadline is when there is none.
const FAR: Duration = Duration::from_secs(86_400);

/// What all chargers of a fleet are told; each follows the changes. When the sender goes, they end at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    /// What the fleet does.
    pub pace: Pace,
    /// Raised by one, each charger drops its socket without a closing handshake and connects again at once.
    pub drops: u64,
    /// Raised past a charger's number, it sends MeterValues of at least [`Orders::meter_values_bytes`] once, outside any
    /// session. Raise it step by step to spread the load.
    pub meter_values_below: u64,
    /// How large those are.
    pub meter_values_bytes: usize,
    /// Each charger closes its socket and stays away until this is false again; its cars go on charging.
    pub offline: bool,
    /// Each charger ends its sessions, waits until all it has said is answered, closes its socket and ends.
    pub stop: bool,
}

/// One simulated charger.
pub struct SimCharger {
    station: Box<Station>,
    orders: watch::Receiver<Orders>,
    done: Orders,
}

/// Why a socket is no longer served.
enum Lost {
    Gone(&'static str),
    Dropped,
    Offline,
    Restart,
    Stop,
}

impl SimCharger {
    /// Now, by its own clock.
    fn now(&self) -> Now {
        Now::read(self.station.desk.profile.faults.clock_behind)
    }

    /// A charger that will connect as `identity`. `number` tells it from its fleet: with the profile's seed it decides
    /// what its cars do, and it fills `{n}` in the token template.
    #[must_use]
    pub fn new(
        profile: Arc<Profile>,
        identity: &str,
        number: u64,
        observer: Arc<dyn Observer>,
        orders: watch::Receiver<Orders>,
    ) -> Self {
        let station = Box::new(Station::new(profile, observer, identity.into(), number));
        Self {
            station,
            orders,
            done: Orders::default(),
        }
    }

    /// These cars will come to it, beside those that its pace brings; times count from now.
    #[must_use]
    pub fn with_visits(mut self, visits: Vec<Visit>) -> Self {
        self.station.expect(Instant::now(), visits);
        self
    }

    /// Runs until [`Orders::stop`]. A lost socket is opened again with the profile's back-off; transaction messages wait
    /// meanwhile, in order.
    pub async fn run(mut self) {
        // The orders in force at the start are new to this charger.
        self.orders.mark_changed();
        let mut tries = 0;
        loop {
            if self.stay_offline().await.is_none() {
                return;
            }
            let Some(opened) = self.open().await else {
                return;
            };
            let pause = match opened {
                Ok(socket) => {
                    tries = 0;
                    match self.serve(socket).await {
                        Lost::Stop => return,
                        Lost::Dropped | Lost::Offline => Duration::ZERO,
                        Lost::Restart => {
                            self.station.restarted();
                            RESTART
                        }
                        Lost::Gone(_) => self.back_off(0),
                    }
                }
                Err(()) => {
                    tries += 1;
                    self.back_off(tries - 1)
                }
            };
            if self.live_through(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    fn back_off(&mut self, tries: u32) -> Duration {
        let backoff = self.station.desk.profile.backoff;
        backoff.pause(tries, &mut self.station.desk.rng)
    }

    /// Waits while the orders say offline; none when the charger was stopped meanwhile.
    async fn stay_offline(&mut self) -> Option<()> {
        let mut orders = self.orders.clone();
        let back = async move { orders.wait_for(|orders| !orders.offline).await.map(drop) };
        // A channel without a sender ends the charger, as everywhere.
        self.live_through(back).await?.ok()
    }

    /// Tries to connect; none when the charger was stopped meanwhile.
    async fn open(&mut self) -> Option<Result<WebSocketStream<TcpStream>, ()>> {
        let profile = self.station.desk.profile.clone();
        let identity = self.station.desk.identity.clone();
        let began = Instant::now();
        // Boxed: a handshake is large and short, the charger's own future small and long.
        let attempt = Box::pin(async move {
            let subprotocol = Some(profile.version.subprotocol());
            connect::open(&profile.target, &identity, subprotocol, profile.source).await
        });
        let opened = self.live_through(attempt).await?;
        Some(
            opened
                .map_err(|error| self.station.desk.tell(&Event::ConnectFailed(&error)))
                .inspect(|_| {
                    self.station.desk.tell(&Event::Connected {
                        took: began.elapsed(),
                    });
                }),
        )
    }

    /// Waits for `event` while cars go on charging; none when the charger was stopped meanwhile.
    async fn live_through<F: Future>(&mut self, event: F) -> Option<F::Output> {
        tokio::pin!(event);
        loop {
            if self.done.stop && self.station.has_said_all() {
                return None;
            }
            let mut out = Output::default();
            tokio::select! {
                done = &mut event => return Some(done),
                () = until(self.station.deadline()) => self.station.tick(self.now(), &mut out),
                changed = self.orders.changed() => {
                    let orders = *self.orders.borrow_and_update();
                    if changed.is_err() {
                        return None;
                    }
                    // Without a socket there is nothing to drop and nothing to send.
                    self.done = Orders { pace: self.done.pace, ..orders };
                    self.follow_pace(orders.pace, &mut out);
                }
            }
        }
    }

    async fn serve(&mut self, mut socket: WebSocketStream<TcpStream>) -> Lost {
        let lost = self.exchange(&mut socket).await;
        match &lost {
            Lost::Gone(reason) => self.station.desk.tell(&Event::Disconnected { reason }),
            Lost::Dropped => {
                self.station.desk.tell(&Event::Disconnected {
                    reason: "dropped on order",
                });
                // Every other drop resets the connection; the others just go, as a modem does.
                if self.done.drops.is_multiple_of(2) {
                    let _ = socket.get_ref().set_zero_linger();
                }
            }
            Lost::Offline | Lost::Restart | Lost::Stop => {
                self.station.desk.tell(&Event::Disconnected {
                    reason: "closed by the charger",
                });
                let _ = tokio::time::timeout(RESTART, socket.close(None)).await;
            }
        }
        if !matches!(lost, Lost::Stop) {
            self.station.disconnected(self.now());
        }
        lost
    }

    async fn exchange(&mut self, socket: &mut WebSocketStream<TcpStream>) -> Lost {
        let mut out = Output::default();
        self.station.connected(self.now(), &mut out);
        loop {
            for frame in out.frames.drain(..) {
                let limit = self.station.desk.profile.answer_timeout;
                match tokio::time::timeout(limit, socket.send(Message::text(frame))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Lost::Gone("broken while sending"),
                    Err(_) => return Lost::Gone("the central system does not read"),
                }
            }
            if out.restart {
                return Lost::Restart;
            }
            if self.done.offline {
                return Lost::Offline;
            }
            if self.done.stop && self.station.has_said_all() {
                return Lost::Stop;
            }
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.station.received(&text, self.now(), &mut out),
                    Some(Ok(Message::Close(_))) | None => return Lost::Gone("closed by the central system"),
                    // Pings are answered by the WebSocket library; OCPP-J has no binary messages.
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return Lost::Gone("broken while receiving"),
                },
                () = until(self.station.deadline()) => self.station.tick(self.now(), &mut out),
                changed = self.orders.changed() => {
                    let orders = *self.orders.borrow_and_update();
                    if changed.is_err() {
                        return Lost::Stop;
                    }
                    if let Some(lost) = self.follow(orders, &mut out) {
                        return lost;
                    }
                }
            }
        }
    }

    fn follow(&mut self, orders: Orders, out: &mut Output) -> Option<Lost> {
        let before = self.done;
        self.done = Orders {
            pace: before.pace,
            ..orders
        };
        self.follow_pace(orders.pace, out);
        let number = self.station.desk.number;
        if (before.meter_values_below..orders.meter_values_below).contains(&number) {
            self.station
                .send_meter_values(orders.meter_values_bytes, self.now(), out);
        }
        (orders.drops > before.drops).then_some(Lost::Dropped)
    }

    fn follow_pace(&mut self, pace: Pace, out: &mut Output) {
        if self.done.pace != pace {
            self.done.pace = pace;
            self.station.set_pace(pace, self.now(), out);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    let deadline = deadline.unwrap_or_else(|| Instant::now() + FAR);
    tokio::time::sleep_until(deadline.into()).await;
}
