//! Two nodes, and all that may go wrong between them.

mod common;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use common::{
    Mode, Notes, PATIENCE, Proxy, address, is_reached, listen, listen_on, message, settings, within,
};
use futures_util::{StreamExt, future::join_all};
use peer::{Answer, AskError, Message, Peers, Reach, Security, Settings, Target, Uuid, Watched};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

fn peers(settings: Settings) -> Peers {
    Peers::new(settings, Security::Plain)
}

fn ok(text: &str) -> Answer {
    Answer::Ok(text.to_owned().into())
}

#[tokio::test]
async fn a_message_reaches_its_node_and_its_answer_comes_back() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, b) = (peers(settings("a")), address("b", at));
    let (tell, told) = oneshot::channel();
    let asked = message("hello", PATIENCE);
    let answer = peers.ask(&b, asked.clone(), Some(tell)).await;
    assert_eq!(answer, Ok(ok("a of charger CP: hello")));
    told.await.expect("it was under way");
    assert_eq!(notes.times(asked.id), 1);
    for (body, expected) in [
        (
            "elsewhere",
            Answer::NotHere {
                at: Some((address("third", "127.0.0.1:1"), 9)),
            },
        ),
        ("stale", Answer::Stale { epoch: 9 }),
    ] {
        let answer = peers.ask(&b, message(body, PATIENCE), None).await;
        assert_eq!(answer, Ok(expected));
    }
    let [state] = &peers.states()[..] else {
        panic!("one way was gone");
    };
    assert!(
        state.reach == Reach::Reached && state.pending == 0,
        "{state:?}"
    );
}

#[tokio::test]
async fn a_thousand_messages_at_once_share_one_stream() {
    let notes = Notes::new();
    let settings = Settings {
        queue: 1_000,
        ..settings("a")
    };
    let theirs = Settings {
        name: "b".to_owned(),
        ..settings.clone()
    };
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &theirs).await;
    let proxy = Proxy::before(at).await;
    let (peers, b) = (peers(settings), address("b", proxy.address));
    let asked = (0..1_000).map(|n| {
        let message = message(&n.to_string(), PATIENCE);
        let (peers, b) = (&peers, &b);
        async move {
            let expected = ok(&format!("a of charger CP: {n}"));
            assert_eq!(peers.ask(b, message, None).await, Ok(expected));
        }
    });
    join_all(asked).await;
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 1);
    assert_eq!(notes.calls.load(Ordering::SeqCst), 1_000);
}

#[tokio::test]
async fn a_message_that_arrives_twice_is_carried_out_once_and_answered_twice() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let b = address("b", at);
    let asked = message("wait", PATIENCE);
    // From two nodes at once, as where the first one's stream broke, and once more afterwards.
    let (first, second) = (peers(settings("a")), peers(settings("c")));
    let answers = async {
        tokio::join!(
            first.ask(&b, asked.clone(), None),
            second.ask(&b, asked.clone(), None)
        )
    };
    let open = async {
        within("it is under way", async || {
            (notes.times(asked.id) > 0).then_some(())
        })
        .await;
        notes.gate.add_permits(2);
    };
    let ((one, other), ()) = tokio::join!(answers, open);
    assert_eq!(one, other);
    assert!(matches!(one, Ok(Answer::Ok(_))));
    assert_eq!(first.ask(&b, asked.clone(), None).await, one);
    assert_eq!(notes.times(asked.id), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_and_not_the_deed() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let proxy = Proxy::before(at).await;
    let (peers, b) = (peers(settings("a")), address("b", proxy.address));
    assert!(is_reached(&peers, &b).await);
    let asked = message("wait for it", PATIENCE);
    let breaking = async {
        within("it is under way", async || {
            (notes.times(asked.id) > 0).then_some(())
        })
        .await;
        proxy.set(Mode::DropAnswers);
        notes.gate.add_permits(1);
        // The answer, or the next sign of life, is thrown away, and the connection with it.
        within("another connection", async || {
            (proxy.connections.load(Ordering::SeqCst) > 1).then_some(())
        })
        .await;
        proxy.set(Mode::Open);
    };
    let (answer, ()) = tokio::join!(peers.ask(&b, asked.clone(), None), breaking);
    assert_eq!(answer, Ok(ok("a of charger CP: wait for it")));
    assert_eq!(notes.times(asked.id), 1);
}

#[tokio::test]
async fn a_process_that_came_after_the_one_that_was_asked_is_not_asked_again() {
    let notes = Notes::new();
    let (serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let proxy = Proxy::before(at).await;
    let (peers, b) = (peers(settings("a")), address("b", proxy.address));
    let asked = message("wait", PATIENCE);
    let later = Notes::new();
    let killing = async {
        within("it is under way", async || {
            (notes.times(asked.id) > 0).then_some(())
        })
        .await;
        proxy.set(Mode::Cut);
        drop(serving);
        let next = listen_on(at, later.clone(), &Security::Plain, &settings("b")).await;
        proxy.set(Mode::Open);
        next
    };
    let (answer, _next) = tokio::join!(peers.ask(&b, asked.clone(), None), killing);
    assert_eq!(answer, Err(AskError::Lost("b".into())));
    assert!(!answer.unwrap_err().is_certain());
    assert_eq!(later.times(asked.id), 0);
    assert!(
        is_reached(&peers, &b).await,
        "the next one is asked as ever"
    );
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_soon_and_then_at_once() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = nobody.local_addr().unwrap();
    drop(nobody);
    let settings = Settings {
        patience: Duration::from_millis(300),
        ..settings("a")
    };
    let (peers, b) = (peers(settings), address("b", at));
    let began = Instant::now();
    let answer = peers.ask(&b, message("hello", PATIENCE), None).await;
    let Err(AskError::Unreachable { why, .. }) = &answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("refused"), "{why}");
    assert!(answer.unwrap_err().is_certain());
    assert!(began.elapsed() < PATIENCE / 2, "not only at the deadline");
    let began = Instant::now();
    within("it is known to be away", async || {
        let asked = Instant::now();
        let answer = peers.ask(&b, message("hello", PATIENCE), None).await;
        assert!(matches!(answer, Err(AskError::Unreachable { .. })));
        (asked.elapsed() < Duration::from_millis(100)).then_some(())
    })
    .await;
    // When it comes, it is reached.
    let _there = listen_on(at, Notes::new(), &Security::Plain, &common::settings("b")).await;
    within("it is reached", async || {
        is_reached(&peers, &b).await.then_some(())
    })
    .await;
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_node_that_froze_is_found_out_and_carries_nothing_out_that_came_too_late() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let proxy = Proxy::before(at).await;
    let (peers, b) = (peers(settings("a")), address("b", proxy.address));
    assert!(is_reached(&peers, &b).await);
    proxy.set(Mode::Frozen);
    // It lies in the network when its time is over.
    let asked = message("too late", Duration::from_millis(200));
    let answer = peers.ask(&b, asked.clone(), None).await;
    assert_eq!(answer, Err(AskError::TimedOut("b".into())));
    proxy.set(Mode::Open);
    // What comes after it on the stream is carried out; when that is answered, the late one has arrived too.
    within("it is reached", async || {
        is_reached(&peers, &b).await.then_some(())
    })
    .await;
    assert_eq!(notes.times(asked.id), 0, "nobody wants it any more");

    proxy.set(Mode::Frozen);
    let asked = message("never", PATIENCE);
    let (answer, ()) = tokio::join!(peers.ask(&b, asked.clone(), None), async {
        within("the silence is noticed", async || {
            let up = peers
                .states()
                .iter()
                .any(|state| state.reach == Reach::Reached);
            (!up).then_some(())
        })
        .await;
        proxy.set(Mode::Open);
    });
    assert!(answer.is_ok(), "the same process had it: {answer:?}");
    assert_eq!(notes.times(asked.id), 1);
}

#[tokio::test]
async fn a_slow_way_makes_messages_late_and_loses_none() {
    let notes = Notes::new();
    let patient = Settings {
        keep_alive_timeout: PATIENCE,
        ..settings("b")
    };
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &patient).await;
    let proxy = Proxy::before(at).await;
    let mine = Settings {
        patience: PATIENCE,
        connect_timeout: PATIENCE,
        ..patient
    };
    let (peers, b) = (peers(mine), address("b", proxy.address));
    proxy.set(Mode::Slow);
    let asked = (0..20).map(|_| is_reached(&peers, &b));
    assert!(join_all(asked).await.into_iter().all(|reached| reached));
    assert_eq!(notes.calls.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_queue_that_is_full_says_so_at_once_and_holds_nobody_else_up() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (_other, other) = listen(Notes::new(), &Security::Plain, &settings("c")).await;
    let mine = Settings {
        queue: 4,
        under_way: 2,
        patience: PATIENCE,
        ..settings("a")
    };
    let peers = Arc::new(peers(mine));
    let (b, c) = (address("b", at), address("c", other));
    assert!(is_reached(&peers, &b).await);
    // 2 are under way, 4 wait.
    let mut waiting = Vec::new();
    for n in 1..=6 {
        let (asking, b) = (peers.clone(), b.clone());
        let message = message("wait", PATIENCE);
        waiting.push(tokio::spawn(
            async move { asking.ask(&b, message, None).await },
        ));
        within("it is under way, or waits", async || {
            let under_way = notes.calls.load(Ordering::SeqCst) == 1 + n.min(2);
            let pending = peers.states().iter().any(|state| state.pending == n);
            (under_way && pending).then_some(())
        })
        .await;
    }
    let began = Instant::now();
    let answer = peers.ask(&b, message("wait", PATIENCE), None).await;
    assert_eq!(answer, Err(AskError::Busy("b".into())));
    assert!(answer.unwrap_err().is_certain());
    assert!(
        is_reached(&peers, &c).await,
        "the other node is not held up"
    );
    assert!(began.elapsed() < PATIENCE / 2);
    notes.gate.add_permits(100);
    for asked in waiting {
        assert!(matches!(asked.await.unwrap(), Ok(Answer::Ok(_))));
    }
}

#[tokio::test]
async fn a_node_says_that_it_is_busy_where_it_has_as_much_under_way_as_it_may() {
    let notes = Notes::new();
    let theirs = Settings {
        under_way: 2,
        ..settings("b")
    };
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &theirs).await;
    let (peers, b) = (Arc::new(peers(settings("a"))), address("b", at));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (peers, b) = (peers.clone(), b.clone());
            tokio::spawn(async move { peers.ask(&b, message("wait", PATIENCE), None).await })
        })
        .collect();
    within("both are under way", async || {
        (notes.calls.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
    let answer = peers.ask(&b, message("hello", PATIENCE), None).await;
    assert_eq!(answer, Ok(Answer::Busy));
    notes.gate.add_permits(2);
    for asked in waiting {
        assert!(matches!(asked.await.unwrap(), Ok(Answer::Ok(_))));
    }
    assert!(is_reached(&peers, &b).await);
}

#[tokio::test]
async fn what_is_larger_than_a_frame_is_refused_before_it_is_sent_and_does_not_break_the_stream() {
    let notes = Notes::new();
    let small = Settings {
        max_frame_bytes: 32 * 1024,
        ..settings("a")
    };
    let theirs = Settings {
        name: "b".to_owned(),
        ..small.clone()
    };
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &theirs).await;
    let proxy = Proxy::before(at).await;
    let (here, b) = (peers(small), address("b", proxy.address));
    let answer = here
        .ask(&b, message(&"x".repeat(40_000), PATIENCE), None)
        .await;
    assert!(
        matches!(answer, Err(AskError::TooLarge { .. })),
        "{answer:?}"
    );
    let answer = here.ask(&b, message("large 40000", PATIENCE), None).await;
    let Ok(Answer::Refused(why)) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("40000"), "{why}");
    assert!(is_reached(&here, &b).await);
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 1);

    // A node with other settings sends it all the same: that stream ends, and the node lives.
    let careless = peers(settings("c"));
    let asked = message(&"x".repeat(40_000), Duration::from_secs(2));
    let answer = careless.ask(&b, asked.clone(), None).await;
    assert!(
        matches!(answer, Err(AskError::TimedOut(_) | AskError::Lost(_))),
        "{answer:?}"
    );
    assert_eq!(notes.times(asked.id), 0);
    assert!(is_reached(&here, &b).await);
}

#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, b) = (peers(settings("a")), address("b", at));
    assert!(is_reached(&peers, &b).await);
    let seed: u64 = rand::random();
    for n in 0..50_u64 {
        let mut socket = TcpStream::connect(at).await.unwrap();
        let mut garbage: Vec<u8> = (0..2_000_u64)
            .map(|i| (seed.wrapping_mul(i + n + 1) >> 32).to_le_bytes()[0])
            .collect();
        // Half of it after what HTTP/2 begins with.
        if n % 2 == 0 {
            garbage.splice(0..0, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        }
        // It may be closed before all is written.
        let _ = socket.write_all(&garbage).await;
        let _ = socket.shutdown().await;
        let ended = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "seed {seed}: the connection is not ended");
    }
    assert!(is_reached(&peers, &b).await, "seed {seed}");
}

#[tokio::test]
async fn whoever_answers_with_garbage_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\nwhat?").await;
            });
        }
    });
    let mine = Settings {
        patience: Duration::from_millis(500),
        ..settings("a")
    };
    let answer = peers(mine)
        .ask(&address("b", at), message("hello", PATIENCE), None)
        .await;
    assert!(
        matches!(answer, Err(AskError::Unreachable { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_crashes_answers_and_is_not_tried_again() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, b) = (peers(settings("a")), address("b", at));
    let asked = message("panic", PATIENCE);
    for _ in 0..2 {
        let answer = peers.ask(&b, asked.clone(), None).await;
        assert!(matches!(answer, Ok(Answer::Refused(_))), "{answer:?}");
    }
    assert_eq!(notes.times(asked.id), 1);
}

#[tokio::test]
async fn what_only_reads_may_be_done_again() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, b) = (peers(settings("a")), address("b", at));
    let asked = Message {
        to: Target::Node,
        epoch: None,
        once: false,
        ..message("look", PATIENCE)
    };
    for _ in 0..2 {
        let answer = peers.ask(&b, asked.clone(), None).await;
        assert_eq!(answer, Ok(ok("a of node: look")));
    }
    assert_eq!(notes.times(asked.id), 2);
}

#[tokio::test]
async fn a_node_that_left_is_let_go_of() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, b) = (Arc::new(peers(settings("a"))), address("b", at));
    let asking = tokio::spawn({
        let (peers, b) = (peers.clone(), b.clone());
        async move { peers.ask(&b, message("wait", PATIENCE), None).await }
    });
    within("it is under way", async || {
        (notes.calls.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    peers.keep(std::slice::from_ref(&b));
    assert_eq!(peers.states().len(), 1);
    peers.keep(&[]);
    assert_eq!(asking.await.unwrap(), Err(AskError::Lost("b".into())));
    assert!(peers.states().is_empty());
}

#[tokio::test]
async fn a_node_that_stops_answers_what_it_has_begun() {
    let notes = Notes::new();
    let (serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let (peers, b) = (peers(settings("a")), address("b", at));
    let asked = message("wait", PATIENCE);
    let stopping = async {
        within("it is under way", async || {
            (notes.times(asked.id) > 0).then_some(())
        })
        .await;
        let (stopped, ()) = tokio::join!(serving.stop(), async {
            notes.gate.add_permits(1);
        });
        stopped
    };
    let (answer, ()) = tokio::join!(peers.ask(&b, asked.clone(), None), stopping);
    assert_eq!(answer, Ok(ok("a of charger CP: wait")));
}

#[tokio::test]
async fn whoever_watches_hears_of_events_of_gaps_and_of_their_end() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    let proxy = Proxy::before(at).await;
    let (peers, b) = (peers(settings("a")), address("b", proxy.address));
    let mut watching = Box::pin(peers.watch(&b));
    let mut next = async || {
        tokio::time::timeout(PATIENCE, watching.next())
            .await
            .unwrap()
    };
    assert_eq!(next().await, Some(Watched::Open));
    notes.happens.send("one".into()).unwrap();
    assert_eq!(next().await, Some(Watched::Event("one".into())));
    proxy.set(Mode::Cut);
    assert!(matches!(next().await, Some(Watched::Broken(_))));
    within("the node notices", async || {
        (notes.happens.receiver_count() == 0).then_some(())
    })
    .await;
    proxy.set(Mode::Open);
    assert_eq!(next().await, Some(Watched::Open));
    notes.happens.send("two".into()).unwrap();
    assert_eq!(next().await, Some(Watched::Event("two".into())));
    drop(watching);
    within("nobody watches any more", async || {
        (notes.happens.receiver_count() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn ids_that_are_none_are_no_messages() {
    // A frame of another version, or of no hub at all, by the same library.
    use tonic_prost::ProstCodec;
    #[derive(Clone, PartialEq, prost::Message)]
    struct Odd {
        #[prost(bytes = "vec", tag = "1")]
        id: Vec<u8>,
        #[prost(string, tag = "99")]
        more: String,
    }
    let (_serving, at) = listen(Notes::new(), &Security::Plain, &settings("b")).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{at}")).unwrap();
    let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
    let path = |path| http::uri::PathAndQuery::from_static(path);
    let exchange = path("/switchyard.peer.v1.Peer/Exchange");
    let frames = |id: Vec<u8>| {
        let more = "of a later version".to_owned();
        tonic::Request::new(tokio_stream::iter([Odd { id, more }]))
    };
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<Odd, Odd>::default();
    let answers = grpc
        .streaming(frames(vec![1]), exchange.clone(), codec)
        .await;
    let broken = answers.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(broken.code(), tonic::Code::InvalidArgument);
    // A field that this version does not know is no reason; no budget is a deadline.
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<Odd, Odd>::default();
    let id = Uuid::new_v4().as_bytes().to_vec();
    let answers = grpc.streaming(frames(id.clone()), exchange, codec).await;
    let answer = answers
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.id, id);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<Odd, Odd>::default();
    let unknown = path("/switchyard.peer.v1.Peer/Nothing");
    let answer = grpc.streaming(frames(id), unknown, codec).await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn whoever_says_nothing_takes_up_no_place() {
    let notes = Notes::new();
    let (_serving, at) = listen(notes.clone(), &Security::Plain, &settings("b")).await;
    // More than there are places.
    let silent = (0..400).map(|_| TcpStream::connect(at));
    let silent = join_all(silent).await;
    let (peers, b) = (peers(settings("a")), address("b", at));
    let reached = async {
        while !is_reached(&peers, &b).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, reached).await.is_ok(),
        "{} silent connections shut out the nodes",
        silent.len()
    );
}
