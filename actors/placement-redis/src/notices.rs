//! Notices of claims that were taken over, by pub/sub.
//!
//! A subscription ends when its server does not answer pings, and when the line for questions comes up anew:
//! that may lead to another server then.

use std::time::Duration;

use futures_util::StreamExt;
use model::StationId;
use placement::{Away, Notice};
use redis::{Msg, aio::PubSubSink};
use tokio::{sync::mpsc, time::timeout};

use crate::line::Line;

/// How often the server is pinged.
const PING: Duration = Duration::from_secs(2);
/// How many notices may wait here; more wait in the connection.
const WAITING: usize = 1024;

/// What comes over the channel from now on, until some may be missed.
pub(crate) async fn subscribe(
    line: &Line,
    channel: String,
) -> Result<mpsc::Receiver<Notice>, Away> {
    let mut times_up = line.times_up();
    times_up.mark_unchanged();
    let within = line.timeout();
    let subscriber = line.connector().subscriber().await;
    let subscriber = subscriber.map_err(|failure| Away(failure.to_string()))?;
    let (mut sink, mut messages) = subscriber.split();
    match timeout(within, sink.subscribe(&channel)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Away(error.to_string())),
        Err(_) => return Err(Away(format!("no subscription within {within:?}"))),
    }
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut pings = tokio::time::interval(PING);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { break };
                    let Some(notice) = notice(&message) else {
                        tracing::warn!(channel, "what came over a channel of the cluster is no notice");
                        continue;
                    };
                    if sender.send(notice).await.is_err() {
                        break;
                    }
                }
                _ = pings.tick() => {
                    if !is_there(&mut sink, within).await {
                        break;
                    }
                }
                _ = times_up.changed() => break,
                () = sender.closed() => break,
            }
        }
    });
    Ok(receiver)
}

async fn is_there(sink: &mut PubSubSink, within: Duration) -> bool {
    matches!(
        timeout(within, sink.ping::<redis::Value>()).await,
        Ok(Ok(_))
    )
}

/// `epoch station`
fn notice(message: &Msg) -> Option<Notice> {
    let text: String = message.get_payload().ok()?;
    let (epoch, station) = text.split_once(' ')?;
    Some(Notice {
        station: StationId::new(station).ok()?,
        epoch: epoch.parse().ok()?,
    })
}
