//! A site at one node and its station at another: what is lost between them, and who may command.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actors::{
    Actors, CallOutcome, CloseReason, Connection, Heard, Language, Link, OutgoingCall, Settings,
    SiteAsk, SiteLinks, SiteNews, SystemClock, Told,
};
use async_trait::async_trait;
use model::{Admission, ChargingAnswer, ChargingAsk, Protocol, SiteId, Station, StationId};
use placement::{
    Away, Claim, ClusterView, Event, LocalPlacement, Location, NodeAddress, Placement, ShardId,
};
use store::{MemoryStore, StationStore, Store, contract::sample};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

fn depot() -> SiteId {
    sample::site_id("depot")
}

fn station() -> StationId {
    sample::station_id("CP")
}

/// Two nodes on one store, and who of them acts for the site.
struct Nodes {
    actors: Vec<Actors>,
    /// The station's.
    connection: Option<Connection>,
    held: Arc<Held>,
    wire: Arc<Wire>,
    events: Vec<mpsc::Sender<Event>>,
}

/// Which node holds the site's shard, and under which epoch.
#[derive(Default)]
struct Held {
    by: AtomicUsize,
    epoch: AtomicI64,
}

impl Nodes {
    /// The second acts for the site under this epoch; the station is connected to the first, by that link.
    async fn start(epoch: i64, link: &Arc<Socket>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let here = Station {
            site: Some(depot()),
            admission: Admission::Accepted,
            ..sample::station(station().as_str())
        };
        assert!(store.create_station(here).await.expect("it is kept"));
        let held = Arc::<Held>::default();
        held.by.store(1, Ordering::SeqCst);
        held.epoch.store(epoch, Ordering::SeqCst);
        let wire = Arc::<Wire>::default();
        let (mut actors, mut events) = (Vec::new(), Vec::new());
        for number in 0..2 {
            let (tell, told) = mpsc::channel(8);
            let placement = Arc::new(OneOfTwo {
                number,
                held: held.clone(),
                alone: LocalPlacement::new(&address(number).name, 1),
                events: Mutex::new(Some(told)),
            });
            let clock = Arc::new(SystemClock);
            let store: Arc<dyn Store> = store.clone();
            let node = Actors::start(store, clock, placement, Settings::default());
            let node = node.await.expect("it starts");
            node.speak(Arc::new(Plain));
            actors.push(node);
            events.push(tell);
        }
        assert!(wire.nodes.set(actors.clone()).is_ok());
        for (number, node) in actors.iter().enumerate() {
            let (wire, node) = (wire.clone(), node.clone());
            tokio::spawn(async move {
                let links = Arc::new(From(number, wire));
                tokio::join!(node.link_sites(links), node.follow_placement())
            });
        }
        let read = store.hydrate(&station()).await.expect("it can be read");
        let link: Arc<dyn Link> = link.clone();
        let station = station();
        let connected = actors[0].connect(&station, Protocol::Ocpp16, &link, Some(&read));
        let connection = connected.await.ok();
        assert!(connection.is_some(), "it connects");
        Self {
            connection,
            actors,
            held,
            wire,
            events,
        }
    }

    /// From now on that node acts for the site.
    async fn moves_to(&self, number: usize, epoch: i64) {
        let shard = ShardId::of_site(&depot());
        self.held.by.store(number, Ordering::SeqCst);
        self.held.epoch.store(epoch, Ordering::SeqCst);
        let (lost, gained) = (
            Event::ShardLost { shard },
            Event::ShardGained { shard, epoch },
        );
        self.events[1 - number]
            .send(lost)
            .await
            .expect("it follows");
        self.events[number].send(gained).await.expect("it follows");
    }

    /// Waits until that node's actor of the site sees the station connected, or until it has none.
    async fn sees(&self, number: usize, expected: Option<u32>) {
        let end = Instant::now() + PATIENCE;
        loop {
            let view = self.actors[number].site_view(&depot()).await;
            if view.map(|view| view.stations_connected) == expected {
                return;
            }
            assert!(Instant::now() < end, "not {expected:?} at node {number}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What the station's node makes of something that a site asks under this epoch.
    async fn asked(&self, site: SiteId, under: i64) -> Told {
        let asked = SiteAsk {
            site,
            under,
            station: station(),
            ask: ChargingAsk::Traits,
            patience: PATIENCE,
        };
        self.actors[0].ask_charging(asked).await
    }
}

fn address(number: usize) -> NodeAddress {
    NodeAddress {
        name: format!("node-{number}"),
        address: format!("127.0.0.1:{number}"),
        incarnation: 1,
    }
}

struct OneOfTwo {
    number: usize,
    held: Arc<Held>,
    alone: LocalPlacement,
    events: Mutex<Option<mpsc::Receiver<Event>>>,
}

#[async_trait]
impl Placement for OneOfTwo {
    async fn claim(&self, station: &StationId, at_least: i64) -> Claim {
        self.alone.claim(station, at_least).await
    }

    fn has(&self, station: &StationId, epoch: i64) -> bool {
        self.alone.has(station, epoch)
    }

    fn release(&self, station: &StationId, epoch: i64) {
        self.alone.release(station, epoch);
    }

    async fn locate(&self, station: &StationId) -> Result<Option<Location>, Away> {
        self.alone.locate(station).await
    }

    fn shard_epoch(&self, _shard: ShardId) -> Option<i64> {
        let is_ours = self.held.by.load(Ordering::SeqCst) == self.number;
        is_ours.then(|| self.held.epoch.load(Ordering::SeqCst))
    }

    fn shard_node(&self, _shard: ShardId) -> Option<NodeAddress> {
        Some(address(self.held.by.load(Ordering::SeqCst)))
    }

    fn events(&self) -> Option<mpsc::Receiver<Event>> {
        self.events.lock().unwrap().take()
    }

    fn view(&self) -> ClusterView {
        self.alone.view()
    }

    async fn tell_unwritten(&self, _is: bool) {}

    async fn give_up_shards(&self) {}

    async fn leave(&self) {}
}

/// What is between the nodes.
#[derive(Default)]
struct Wire {
    nodes: OnceLock<Vec<Actors>>,
    /// So many answers to news are lost.
    loses: AtomicUsize,
}

/// A node's end of it.
struct From(usize, Arc<Wire>);

#[async_trait]
impl SiteLinks for From {
    async fn tell(
        &self,
        owner: &NodeAddress,
        news: Vec<SiteNews>,
    ) -> Result<Vec<Option<Heard>>, String> {
        let text = serde_json::to_string(&news).expect("it can be written");
        let news = serde_json::from_str(&text).expect("and read");
        let Self(from, wire) = self;
        let nodes = wire.nodes.get().expect("they are there");
        let to = usize::from(*owner == address(1));
        let heard = nodes[to].hear(&address(*from), news);
        let lost = wire
            .loses
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
        match lost {
            Ok(_) => Err("its answer is lost".into()),
            Err(_) => Ok(heard),
        }
    }

    async fn ask(&self, holder: &NodeAddress, asked: SiteAsk) -> Told {
        let nodes = self.1.nodes.get().expect("they are there");
        let to = usize::from(*holder == address(1));
        nodes[to].ask_charging(asked).await
    }
}

/// A station's socket, which answers each CALL.
#[derive(Default)]
struct Socket {
    calls: AtomicUsize,
}

impl Link for Socket {
    fn call(&self, call: OutgoingCall) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _ = call.outcome.send(CallOutcome::Answered("{}".into()));
    }

    fn silent_s(&self) -> u32 {
        0
    }

    fn ping(&self) {}

    fn close(&self, _reason: CloseReason) {}

    fn finish(&self, _reason: CloseReason) {}
}

/// A language in which everything is agreed to.
struct Plain;

impl Language for Plain {
    fn say(&self, _: Protocol, ask: &ChargingAsk) -> Result<(String, String), String> {
        Ok(("Ask".into(), format!("{ask:?}")))
    }

    fn read(&self, _: Protocol, _: &ChargingAsk, _: &str) -> ChargingAnswer {
        yes()
    }
}

fn yes() -> ChargingAnswer {
    ChargingAnswer::Accepted(Vec::new())
}

#[tokio::test]
async fn a_station_obeys_nobody_who_acted_for_its_site_before_the_last_it_obeyed() {
    let link = Arc::<Socket>::default();
    let nodes = Nodes::start(5, &link).await;
    // Its node has heard of epoch 5 then.
    nodes.sees(1, Some(1)).await;
    let answered = Told::Answer(yes());
    for (under, told) in [
        (5, &answered),
        (4, &Told::Silence),
        (7, &answered),
        (5, &Told::Silence),
        (7, &answered),
    ] {
        assert_eq!(nodes.asked(depot(), under).await, *told, "{under}");
    }
    let elsewhere = nodes.asked(sample::site_id("elsewhere"), 9).await;
    assert_eq!(elsewhere, Told::Silence, "it does not stand there");
    assert_eq!(link.calls.load(Ordering::SeqCst), 3);
    // The station's own node acts for the site: whoever did before is not obeyed, though nothing was asked since.
    nodes.moves_to(0, 9).await;
    nodes.sees(0, Some(1)).await;
    assert_eq!(nodes.asked(depot(), 8).await, Told::Silence);
    assert_eq!(nodes.asked(depot(), 9).await, answered);
    assert_eq!(link.calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_told_anew_and_whoever_acts_for_the_site_learns_all() {
    let mut nodes = Nodes::start(5, &Arc::default()).await;
    for epoch in (6..12).step_by(2) {
        nodes.wire.loses.store(3, Ordering::SeqCst);
        nodes.sees(1, Some(1)).await;
        nodes.moves_to(0, epoch).await;
        nodes.sees(0, Some(1)).await;
        nodes.sees(1, None).await;
        nodes.moves_to(1, epoch + 1).await;
        nodes.sees(0, None).await;
    }
    nodes.wire.loses.store(3, Ordering::SeqCst);
    nodes.sees(1, Some(1)).await;
    nodes.wire.loses.store(3, Ordering::SeqCst);
    nodes.connection = None;
    nodes.sees(1, Some(0)).await;
}
