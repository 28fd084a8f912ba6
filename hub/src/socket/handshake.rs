//! From an accepted TCP connection to an open WebSocket of a known station, or to a plain answer that
//! says why not.
//!
//! The handshake is a task of its own, so that the task which stays for months is small. A permit
//! bounds how many are looked up and opened at once; it is taken when the request has been read, so a
//! peer that dawdles with its request keeps nobody from theirs.

use std::sync::Arc;

use actors::ConnectError;
use model::{Admission, Protocol, Station, StationId};
use store::Hydration;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify, time::timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    Sockets, conflicts,
    link::{self, LinkHandle},
    request::{Offer, Refused, UpgradeRequest, read_head},
};
use crate::{config::AdmissionPolicy, metrics};

/// When to come back, at the earliest, to a hub that has too much to do, in s: by then the line is short,
/// or those who are in it would rather have it to themselves.
const OVERLOADED_RETRY_S: u32 = 15;
/// When to come back, at the earliest, to a hub that cannot keep or read anything, in s.
const UNAVAILABLE_RETRY_S: u32 = 30;

/// When to come back, at the earliest, for one of which another hub holds something that is not in the store, in s.
const UNWRITTEN_RETRY_S: u32 = 3;
/// When to come back, at the earliest, for one that another connection of its station overtook, in s.
const OVERTAKEN_RETRY_S: u32 = 5;

/// Shakes hands and, if all is well, leaves an open link behind. Told to `hurry`, it gives up unless it has
/// read the request.
pub(crate) async fn shake(mut stream: TcpStream, sockets: Arc<Sockets>, hurry: Arc<Notify>) {
    let within = sockets.handshake_timeout();
    let read = tokio::select! {
        biased;
        read = read_head(&mut stream, within) => read,
        () = hurry.notified() => None,
    };
    drop(hurry);
    let (request, behind) = match read {
        Some(Ok(read)) => read,
        Some(Err(refused)) => return turn_away(stream, &sockets, &refused).await,
        None => {
            ::metrics::counter!(metrics::HANDSHAKES, "outcome" => "gave_up").increment(1);
            return;
        }
    };
    if sockets.gate.is_overloaded() {
        let detail = "the hub has more to do than it can; come back later";
        let refused = Refused::later("overloaded", detail, OVERLOADED_RETRY_S);
        return turn_away(stream, &sockets, &refused).await;
    }
    if let Err(refused) = conflicts::admit(&request.station, &stream, &sockets).await {
        return turn_away(stream, &sockets, &refused).await;
    }
    // The request is there: from here on it costs reads, so few do it at once, and none for long.
    let admission = async {
        let permit = sockets.handshakes.acquire().await;
        (admit(&request, &sockets).await, permit)
    };
    let (admitted, _permit) = match timeout(within, admission).await {
        Ok((admitted, permit)) => (admitted, permit.ok()),
        Err(_) => {
            let detail = "the hub takes too long to look this station up; come back later";
            let refused = Refused::later("unavailable", detail, UNAVAILABLE_RETRY_S);
            (Err(refused), None)
        }
    };
    match admitted {
        Ok(Admitted {
            protocol: Some(protocol),
            hydration,
        }) => {
            open(stream, behind, request, protocol, hydration, &sockets).await;
        }
        Ok(Admitted { protocol: None, .. }) => {
            // OCPP-J 1.6 §3.2, 2.0.1 Part 4 §3.3: complete without a subprotocol, then close.
            ::metrics::counter!(metrics::HANDSHAKES, "outcome" => "no_common_protocol")
                .increment(1);
            let spoken = Protocol::ALL.map(Protocol::subprotocol).join(", ");
            tracing::info!(station = %request.station, spoken, "a station offers no protocol the hub speaks");
            let _ = timeout(within, close_at_once(stream, &request.key)).await;
        }
        Err(refused) => turn_away(stream, &sockets, &refused).await,
    }
}

struct Admitted {
    /// What will be spoken; absent when there is nothing in common.
    protocol: Option<Protocol>,
    /// Absent while the store cannot be read: the station's actor is still here.
    hydration: Option<Hydration>,
}

async fn admit(request: &UpgradeRequest, sockets: &Sockets) -> Result<Admitted, Refused> {
    let unavailable = |error: &dyn std::fmt::Display| {
        // That the store is away is told once, where it is found out.
        tracing::debug!(station = %request.station, %error, "a station is told to come back later");
        let detail = "the hub cannot reach its store; try again";
        Refused::later("unavailable", detail, UNAVAILABLE_RETRY_S)
    };
    if !sockets.actors.admits() {
        let detail = "the hub cannot keep transaction messages now; keep yours and try again";
        return Err(Refused::later("unavailable", detail, UNAVAILABLE_RETRY_S));
    }
    let mut hydration = match sockets.store.hydrate(&request.station).await {
        Ok(hydration) => hydration,
        Err(error) => {
            let spoke = sockets.actors.remembers(&request.station);
            let spoke = spoke.ok_or_else(|| unavailable(&error))?;
            return Ok(Admitted {
                protocol: agreed(request.offer, spoke == Protocol::Ocpp16),
                hydration: None,
            });
        }
    };
    if hydration.station.is_none() {
        let station = newcomer(&request.station, sockets)?;
        sockets
            .store
            .create_station(station.clone())
            .await
            .map_err(|error| unavailable(&error))?;
        hydration.station = Some(station);
    }
    let assume_16 = hydration
        .station
        .as_ref()
        .is_some_and(|station| station.assume_16);
    let admission = hydration.station.as_ref().map(|station| station.admission);
    if admission == Some(Admission::Rejected) {
        return Err(Refused::new(403, "an operator turned this station away"));
    }
    Ok(Admitted {
        protocol: agreed(request.offer, assume_16),
        hydration: Some(hydration),
    })
}

/// What will be spoken with a station that offers this; `assume_16`: and nothing means OCPP 1.6.
fn agreed(offer: Offer, assume_16: bool) -> Option<Protocol> {
    match offer {
        Offer::Speaks(protocol) => Some(protocol),
        Offer::Nothing if assume_16 => Some(Protocol::Ocpp16),
        Offer::Nothing | Offer::Foreign => None,
    }
}

/// What the admission policy makes of a station the hub does not know.
fn newcomer(id: &StationId, sockets: &Sockets) -> Result<Station, Refused> {
    let admission = match sockets.config.admission {
        AdmissionPolicy::Accept => Admission::Accepted,
        AdmissionPolicy::Pending => Admission::Pending,
        AdmissionPolicy::Known => {
            return Err(Refused::new(
                404,
                "this station is not known; an operator has to create it first",
            ));
        }
    };
    tracing::info!(station = %id, ?admission, "a station connects for the first time");
    Ok(Station {
        id: id.clone(),
        site: None,
        admission,
        assume_16: false,
        note: String::new(),
        boot: None,
        protocol: None,
        last_seen_at: None,
        created_at: sockets.clock.now(),
    })
}

async fn open(
    mut stream: TcpStream,
    behind: Vec<u8>,
    request: UpgradeRequest,
    protocol: Protocol,
    hydration: Option<Hydration>,
    sockets: &Arc<Sockets>,
) {
    let handle = Arc::new(LinkHandle::new(
        sockets.config.max_waiting_calls,
        &sockets.liveness,
    ));
    let link: Arc<dyn actors::Link> = handle.clone();
    if let Some((_, incumbent)) = sockets.actors.socket(&request.station) {
        let recorded = hydration.as_ref().and_then(|read| read.station.as_ref());
        sockets.conflicts.taken_over(
            &request.station,
            incumbent,
            recorded.and_then(|station| station.boot.as_ref()),
            sockets.clock.now(),
        );
    }
    let connection = match sockets
        .actors
        .connect(&request.station, protocol, &link, hydration.as_ref())
        .await
    {
        Ok(connection) => connection,
        Err(ConnectError::Unread) => {
            let detail = "the hub cannot reach its store; try again";
            let refused = Refused::later("unavailable", detail, UNAVAILABLE_RETRY_S);
            return turn_away(stream, sockets, &refused).await;
        }
        Err(ConnectError::Unwritten) => {
            let detail =
                "another hub has not written yet what this station said to it; come back later";
            let refused = Refused::later("unwritten", detail, UNWRITTEN_RETRY_S);
            return turn_away(stream, sockets, &refused).await;
        }
        Err(ConnectError::Overtaken) => {
            let detail = "a newer connection of this station was opened meanwhile";
            let refused = Refused::later("overtaken", detail, OVERTAKEN_RETRY_S);
            return turn_away(stream, sockets, &refused).await;
        }
        Err(ConnectError::Quarantined(until)) => {
            let wait_s = until.ms_since(sockets.clock.now()).max(1000) / 1000;
            let refused = Refused::later(
                "unavailable",
                "this station crashed its actor again and again and rests",
                u32::try_from(wait_s).unwrap_or(u32::MAX),
            );
            return turn_away(stream, sockets, &refused).await;
        }
    };
    // A station that offered nothing must not be answered with a subprotocol (RFC 6455 §4.1).
    let spoken = (request.offer != Offer::Nothing).then(|| protocol.subprotocol());
    let answer = switching_protocols(&request.key, spoken);
    let written = timeout(sockets.write_timeout(), stream.write_all(answer.as_bytes())).await;
    if !matches!(written, Ok(Ok(()))) {
        ::metrics::counter!(metrics::HANDSHAKES, "outcome" => "gave_up").increment(1);
        return;
    }
    ::metrics::counter!(metrics::HANDSHAKES, "outcome" => "opened").increment(1);
    sockets.liveness.watch(&handle);
    let epoch = connection.epoch();
    conflicts::ask_who(&request.station, epoch, &link, &sockets.conflicts);
    link::open(
        stream,
        behind,
        handle,
        connection,
        request.station,
        protocol,
        Arc::clone(sockets),
    )
    .await;
}

fn switching_protocols(key: &str, subprotocol: Option<&str>) -> String {
    let accept = derive_accept_key(key.as_bytes());
    let protocol = match subprotocol {
        Some(name) => format!("Sec-WebSocket-Protocol: {name}\r\n"),
        None => String::new(),
    };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    )
}

async fn close_at_once(mut stream: TcpStream, key: &str) -> std::io::Result<()> {
    stream
        .write_all(switching_protocols(key, None).as_bytes())
        .await?;
    // An unmasked close frame, 1002 (protocol error): final, opcode 8, two bytes.
    stream.write_all(&[0x88, 0x02, 0x03, 0xEA]).await?;
    stream.shutdown().await
}

async fn turn_away(mut stream: TcpStream, sockets: &Sockets, refused: &Refused) {
    ::metrics::counter!(metrics::HANDSHAKES, "outcome" => refused.outcome).increment(1);
    let retry = match refused.retry_after_s {
        Some(least_s) => format!("Retry-After: {}\r\n", spread_s(least_s)),
        None => String::new(),
    };
    let answer = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         {retry}Connection: close\r\n\r\n{}\n",
        refused.status,
        reason_of(refused.status),
        refused.detail.len() + 1,
        refused.detail,
    );
    let write = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // A peer that does not read its refusal misses it.
    let _ = timeout(sockets.handshake_timeout(), write).await;
}

/// Up to twice as long, but no more than a minute longer: those who are turned away together must not
/// come back together.
fn spread_s(least_s: u32) -> u32 {
    least_s.saturating_add(rand::random_range(0..=least_s.min(60)))
}

fn reason_of(status: u16) -> &'static str {
    match status {
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        405 => "Method Not Allowed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        // RFC 6455 §1.3.
        let answer = switching_protocols("dGhlIHNhbXBsZSBub25jZQ==", Some("ocpp1.6"));
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer.contains("Sec-WebSocket-Protocol: ocpp1.6\r\n"));
        assert!(answer.ends_with("\r\n\r\n"));
    }
}
