//! What a hub needs of Redis is tried before it takes part: a user with no more rights than are told has enough, and what
//! does not mend itself is found and named.

mod common;

use std::{io::Write, net::TcpListener, time::Duration};

use common::{Servers, cli, node, options, until};
use model::StationId;
use placement::{Placement, Timing};
use placement_redis::{OpenError, Options, RedisBackend};

const NOW: i64 = 1_764_000_000_000;

async fn tried(options: &Options) -> Result<(), OpenError> {
    let backend = RedisBackend::new(options).expect("it can be addressed");
    backend.try_out().await
}

async fn tried_at(url: &str) -> Result<(), OpenError> {
    tried(&options(url)).await
}

/// The URL of those servers, for a user of theirs.
fn as_user(servers: &Servers, user: &str) -> String {
    servers.url().replace("://", &format!("://{user}@"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_rights_that_are_told_has_all_that_hubs_need() {
    for kind in ["single", "sentinel", "cluster"] {
        let servers = Servers::up(kind);
        let options = options(&as_user(&servers, "hub:secret"));
        until("the servers have settled", 20, async || {
            tried(&options).await.is_ok()
        })
        .await;
        let [a, b] =
            ["hub-a", "hub-b"].map(|name| node(&options, name, Timing::default().sped_up(5)));
        for node in [&a, &b] {
            until("it takes part", 20, async || {
                node.view().incarnation.is_some()
            })
            .await;
        }
        let cp = StationId::new("CP-1").expect("a name");
        until("it is claimed", 20, async || {
            let claim = a.claim(&cp, NOW).await;
            !claim.provisional
        })
        .await;
        let second = b.claim(&cp, NOW).await;
        assert!(!second.provisional, "{kind}");
        until("a is told", 10, async || a.view().chargers_here == 0).await;
        b.release(&cp, second.epoch);
        until("it is nowhere", 10, async || {
            a.locate(&cp).await == Ok(None)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named() {
    let servers = Servers::up("single");
    let (port, url) = (servers.port(), as_user(&servers, "hub:secret"));
    tried_at(&url).await.expect("nothing is missing");
    assert_eq!(cli(port, &["dbsize"]), "0", "nothing is left behind");
    for (takes, gives, named) in [
        ("-evalsha", "+evalsha", "EVALSHA"),
        ("-eval", "+eval", "EVAL "),
        ("-get", "+get", "GET switchyard:c:"),
        ("-set", "+set", "SET switchyard:c:"),
        ("-del", "+del", "DEL switchyard:c:"),
        ("-hgetall", "+hgetall", "HGETALL switchyard:{hubs}:"),
        ("-hset", "+hset", "HSET switchyard:{hubs}:"),
        ("-hdel", "+hdel", "HDEL switchyard:{hubs}:"),
        ("-publish", "+publish", "PUBLISH switchyard:n:"),
        ("-subscribe", "+subscribe", "SUBSCRIBE switchyard:n:"),
        ("-time", "+time", "TIME"),
        ("-info", "+info", "INFO"),
        ("-ping", "+ping", "PING"),
        ("resetchannels", "&switchyard:n:*", "PUBLISH switchyard:n:"),
        ("resetkeys", "~switchyard:c:*", "GET switchyard:c:"),
        ("reset", "on", "user"),
    ] {
        cli(port, &["acl", "setuser", "hub", takes]);
        let error = tried_at(&url).await.expect_err(takes).to_string();
        assert!(error.contains(named), "{takes}: {error}");
        assert!(!error.contains("secret"), "{error}");
        cli(port, &["acl", "setuser", "hub", gives]);
    }
    // The keys are those of one kind only, since they were taken away.
    let rights = "on >secret +@all resetchannels &switchyard:n:* resetkeys ~switchyard:c:*";
    let mut user = vec!["acl", "setuser", "hub"];
    user.extend(rights.split(' '));
    cli(port, &user);
    let error = tried_at(&url).await.expect_err("a key").to_string();
    assert!(error.contains("HGETALL switchyard:{hubs}:"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_mend_itself_is_told_with_what_to_do() {
    let servers = Servers::up("single");
    let port = servers.port();
    let wrong = tried_at(&as_user(&servers, "hub:wrong")).await;
    assert!(matches!(wrong, Err(OpenError::NotLetIn(_))), "{wrong:?}");
    cli(port, &["config", "set", "requirepass", "secret"]);
    let none = tried_at(servers.url()).await;
    assert!(matches!(none, Err(OpenError::NotLetIn(_))), "{none:?}");
    let url = as_user(&servers, ":secret");
    tried_at(&url).await.expect("it is let in");
    let as_cluster = url.replace("redis://", "redis+cluster://");
    let as_cluster = tried_at(&as_cluster).await;
    assert!(
        matches!(as_cluster, Err(OpenError::NoRedis(_))),
        "{as_cluster:?}"
    );
    let replica = [
        "-a",
        "secret",
        "--no-auth-warning",
        "replicaof",
        "127.0.0.1",
        "1",
    ];
    cli(port, &replica);
    let replica = tried_at(&url).await;
    assert!(matches!(replica, Err(OpenError::ReadOnly)), "{replica:?}");
    servers.signal(port, "-KILL");
    until("nobody is there, which may pass", 10, async || {
        tried_at(&url).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_another_kind_are_told_from_one_that_is_away() {
    let sentinels = Servers::up("sentinel");
    let (first, _) = sentinels.url().split_once(',').expect("three");
    let sentinel = tried_at(&first.replace("redis+sentinel", "redis")).await;
    assert!(
        matches!(sentinel, Err(OpenError::NoRedis(_))),
        "{sentinel:?}"
    );
    drop(sentinels);
    let cluster = Servers::up("cluster");
    let mut outcomes = Vec::new();
    for port in cluster.ports() {
        outcomes.push(tried_at(&format!("redis://127.0.0.1:{port}")).await);
    }
    let is_one = |outcome: &Result<_, _>| matches!(outcome, Err(OpenError::OneOfMany));
    assert!(outcomes.iter().all(is_one), "{outcomes:?}");
    let wrong = tried_at(&as_user(&cluster, "hub:wrong")).await;
    assert!(matches!(wrong, Err(OpenError::NotLetIn(_))), "{wrong:?}");

    // Who speaks otherwise, and who says nothing.
    for (says, is_other) in [("HTTP/1.1 400 Bad Request\r\n\r\n", true), ("", false)] {
        let other = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let address = other.local_addr().expect("it has one");
        std::thread::spawn(move || {
            let mut sockets = Vec::new();
            while let Ok((mut socket, _)) = other.accept() {
                let _ = socket.write_all(says.as_bytes());
                sockets.push(socket);
            }
        });
        let url = format!("redis://{address}");
        let outcome = tokio::time::timeout(Duration::from_secs(5), tried_at(&url)).await;
        let outcome = outcome.expect("it does not wait for long");
        let is_told = matches!(outcome, Err(OpenError::NoRedis(_)));
        assert!(
            is_told == is_other && (is_other || outcome.is_ok()),
            "{outcome:?}"
        );
    }
}
