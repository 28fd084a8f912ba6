//! The upgrade request: read within bounds, parsed, judged. Pure but for the reading.
//!
//! Real chargers ask oddly (protocol quirks 1–3): with an absolute URI as the target, with further
//! segments before the identity, percent-encoded, without a subprotocol. What counts is the last
//! non-empty segment of a path that begins with `/ocpp/`.

use std::time::Duration;

use model::{Protocol, StationId};
use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

/// The longest request head, in bytes.
const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

/// A request to upgrade, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpgradeRequest {
    /// Who connects.
    pub(crate) station: StationId,
    /// `Sec-WebSocket-Key`.
    pub(crate) key: String,
    /// What it offers to speak.
    pub(crate) offer: Offer,
}

/// What a station offers to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// This: the first of its list that the hub speaks.
    Speaks(Protocol),
    /// A list of which the hub speaks none.
    Foreign,
    /// No list at all (quirk 1).
    Nothing,
}

/// Why a request is turned away: the status line, and a text that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong and what to do.
    pub(crate) detail: String,
    /// When to try again at the earliest, in s.
    pub(crate) retry_after_s: Option<u32>,
    /// What it is counted as.
    pub(crate) outcome: &'static str,
}

impl Refused {
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            retry_after_s: None,
            outcome: match status {
                403 => "rejected",
                404 => "unknown",
                _ => "malformed",
            },
        }
    }

    /// 503: the hub cannot now; try again after so many seconds.
    pub(crate) fn later(
        outcome: &'static str,
        detail: impl Into<String>,
        retry_after_s: u32,
    ) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            outcome,
            ..Self::new(503, detail)
        }
    }
}

/// Reads a request head. Returns it and whatever came behind it; `None` when the peer went away or
/// did not finish in time.
pub(crate) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    within: Duration,
) -> Option<Result<(UpgradeRequest, Vec<u8>), Refused>> {
    let mut head = Vec::with_capacity(512);
    let end = timeout(within, async {
        loop {
            let searched = head.len().saturating_sub(3);
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
            if let Some(at) = find(&head[searched..], b"\r\n\r\n") {
                return Some(Some(searched + at + 4));
            }
            if head.len() > MAX_HEAD_BYTES {
                return Some(None);
            }
        }
    });
    let Some(end) = end.await.ok()?? else {
        return Some(Err(Refused::new(
            431,
            "the request head is longer than 8 KiB",
        )));
    };
    let behind = head.split_off(end);
    Some(parse(&head).map(|request| (request, behind)))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn parse(head: &[u8]) -> Result<UpgradeRequest, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refused::new(431, "the request has more than 64 headers"));
        }
        _ => return Err(Refused::new(400, "this is not an HTTP/1.1 request")),
    }
    if request.method != Some("GET") {
        return Err(Refused::new(
            405,
            "connect with GET and a WebSocket upgrade",
        ));
    }
    let station = station_of(request.path.unwrap_or_default())?;
    let is_upgrade =
        lists(request.headers, "upgrade").any(|name| name.eq_ignore_ascii_case("websocket"));
    if !is_upgrade {
        return Err(Refused::new(
            426,
            "this is where chargers connect by WebSocket; the operator API is on its own port",
        ));
    }
    if header(request.headers, "sec-websocket-version") != Some("13") {
        return Err(Refused::new(426, "speak WebSocket version 13"));
    }
    let key = header(request.headers, "sec-websocket-key")
        .filter(|key| !key.is_empty() && key.len() <= 64)
        .ok_or_else(|| Refused::new(400, "the header Sec-WebSocket-Key is missing"))?;
    Ok(UpgradeRequest {
        station,
        key: key.to_owned(),
        offer: offer_of(request.headers),
    })
}

/// The identity a request target names.
fn station_of(target: &str) -> Result<StationId, Refused> {
    // `http://host/ocpp/CP1` is `/ocpp/CP1` (RFC 9112 §3.2.2).
    let path = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').map_or("", |at| &rest[at..])
        }
        _ => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let identity = path
        .strip_prefix("/ocpp/")
        .and_then(|rest| rest.split('/').rfind(|segment| !segment.is_empty()))
        .ok_or_else(|| Refused::new(404, "chargers connect to /ocpp/{identity}"))?;
    let identity = percent_decode_str(identity)
        .decode_utf8()
        .map_err(|_| Refused::new(400, "the identity is not UTF-8 after percent-decoding"))?;
    StationId::new(identity.trim()).map_err(|error| Refused::new(400, error.to_string()))
}

fn offer_of(headers: &[httparse::Header<'_>]) -> Offer {
    let mut offered = lists(headers, "sec-websocket-protocol").peekable();
    if offered.peek().is_none() {
        return Offer::Nothing;
    }
    // The station's order of preference decides (OCPP 2.0.1 Part 4 §3.1.2).
    offered
        .find_map(Protocol::from_subprotocol)
        .map_or(Offer::Foreign, Offer::Speaks)
}

fn header<'h>(headers: &'h [httparse::Header<'_>], name: &str) -> Option<&'h str> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok().map(str::trim)
}

/// The items of all headers of that name, each a comma-separated list.
fn lists<'h>(headers: &'h [httparse::Header<'_>], name: &'h str) -> impl Iterator<Item = &'h str> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .filter_map(|header| std::str::from_utf8(header.value).ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(target: &str) -> Result<String, u16> {
        station_of(target)
            .map(|id| id.as_str().to_owned())
            .map_err(|refused| refused.status)
    }

    fn request(protocols: &str) -> String {
        format!(
            "GET /ocpp/CP1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n{protocols}\r\n"
        )
    }

    fn offer(protocols: &str) -> Offer {
        parse(request(protocols).as_bytes()).unwrap().offer
    }

    #[test]
    fn the_identity_is_the_last_segment() {
        assert_eq!(station("/ocpp/CP1").unwrap(), "CP1");
        assert_eq!(station("/ocpp/CP1/?x=1").unwrap(), "CP1");
        assert_eq!(station("/ocpp/"), Err(404));
        assert_eq!(station("/"), Err(404));
        assert_eq!(station("/ocppish/CP1"), Err(404));
    }

    #[test]
    fn quirk_02_absolute_targets_and_further_segments_are_accepted() {
        assert_eq!(station("ws://hub.example:9220/ocpp/CP1").unwrap(), "CP1");
        assert_eq!(
            station("http://hub.example/ocpp/tenant/CP1//").unwrap(),
            "CP1"
        );
        assert_eq!(station("/ocpp/ws://hub.example/ocpp/CP1").unwrap(), "CP1");
    }

    #[test]
    fn quirk_03_the_identity_is_percent_decoded_once() {
        assert_eq!(station("/ocpp/RDAM%7C123").unwrap(), "RDAM|123");
        assert_eq!(station("/ocpp/RDAM%20123%20").unwrap(), "RDAM 123");
        assert_eq!(station("/ocpp/a%2525").unwrap(), "a%25");
        assert_eq!(station("/ocpp/%FF"), Err(400));
        assert_eq!(station("/ocpp/%0A"), Err(400), "trimmed to nothing");
        assert_eq!(station("/ocpp/a%00b"), Err(400));
    }

    #[test]
    fn the_stations_first_choice_that_the_hub_speaks_is_taken() {
        assert_eq!(
            offer(
                "Sec-WebSocket-Protocol: ocpp2.1, ocpp2.0.1\r\nsec-websocket-protocol: ocpp1.6\r\n"
            ),
            Offer::Speaks(Protocol::Ocpp21)
        );
        assert_eq!(
            offer("Sec-WebSocket-Protocol: ocpp2.0.1, ocpp2.1\r\n"),
            Offer::Speaks(Protocol::Ocpp201)
        );
        assert_eq!(offer("Sec-WebSocket-Protocol: ocpp1.5\r\n"), Offer::Foreign);
    }

    #[test]
    fn quirk_01_a_station_may_offer_nothing() {
        assert_eq!(offer(""), Offer::Nothing);
    }

    #[test]
    fn what_is_no_upgrade_is_told_what_to_do() {
        let refused = |text: &str| parse(text.as_bytes()).unwrap_err().status;
        assert_eq!(refused("POST /ocpp/CP1 HTTP/1.1\r\n\r\n"), 405);
        assert_eq!(refused("GET /ocpp/CP1 HTTP/1.1\r\nHost: h\r\n\r\n"), 426);
        assert_eq!(refused("nonsense\r\n\r\n"), 400);
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_cut_off() {
        let endless = vec![b'a'; 64 * 1024];
        let read = read_head(&mut &endless[..], Duration::from_secs(5)).await;
        assert_eq!(read.unwrap().unwrap_err().status, 431);
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_in_time_is_given_up() {
        let (mut here, _there) = tokio::io::duplex(64);
        assert!(
            read_head(&mut here, Duration::from_millis(20))
                .await
                .is_none()
        );
    }

    #[tokio::test]
    async fn what_comes_behind_the_head_is_kept() {
        let bytes = [request("").as_bytes(), b"frame"].concat();
        let (_, behind) = read_head(&mut &bytes[..], Duration::from_secs(5))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(behind, b"frame");
    }
}
