//! Why a node is not reached, in words for an operator. What the libraries say of it is either nothing ("transport error")
//! or the whole way down to the cause.

use std::{error::Error, io};

use rustls::InvalidMessage;
use tonic::Code;

use crate::certificate;

/// What HTTP/2 says of the TLS alert that it reads as a frame.
const NO_HTTP_2: &str = "frame with invalid size";
/// What it says where the other side was gone before it could say anything.
const BROKEN_OFF: [&str; 2] = ["broken pipe", "connection reset"];
/// What TLS says before the name of an alert.
const ALERT: &str = "received fatal alert: ";

/// An error with its causes, since the outermost of these says nothing.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    let words = causes(error).map(|cause| match cause.downcast_ref::<tonic::Status>() {
        Some(status) => status.message().to_owned(),
        None => cause.to_string(),
    });
    let mut words: Vec<String> = words.collect();
    words.dedup();
    words.join(": ")
}

/// Why a connection, or a stream over one, did not come about or broke.
pub(crate) fn unreached(error: &(dyn Error + 'static)) -> String {
    if let Some(status) = error.downcast_ref::<tonic::Status>()
        && status.code() == Code::FailedPrecondition
    {
        // The node itself says so.
        return status.message().to_owned();
    }
    let mut said = causes(error).filter_map(|cause| {
        let within = cause.downcast_ref::<io::Error>();
        let within = within.and_then(|error| error.get_ref());
        let tls = cause.downcast_ref::<rustls::Error>();
        let tls = tls.or_else(|| within?.downcast_ref::<rustls::Error>());
        let system = cause.downcast_ref::<io::Error>();
        tls.map(by_tls).or_else(|| system.and_then(by_the_system))
    });
    said.next().unwrap_or_else(|| by_words(in_words(error)))
}

fn by_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            format!("its certificate {}", certificate::words(error))
        }
        rustls::Error::AlertReceived(alert) => by_alert(&format!("{alert:?}")),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS, as this hub does: is cluster.tls_ca set on both?".to_owned()
        }
        error => format!("TLS fails: {error}"),
    }
}

/// HTTP/2 hands on what is below it as text.
fn by_words(words: String) -> String {
    if let Some((_, alert)) = words.split_once(ALERT) {
        let end = alert.find(|c: char| !c.is_alphanumeric());
        return by_alert(&alert[..end.unwrap_or(alert.len())]);
    }
    if words.contains(NO_HTTP_2) {
        return "what answers at its address is not a hub that speaks in clear text, as this one does: does it speak TLS? (cluster.tls_ca)".to_owned();
    }
    if BROKEN_OFF.iter().any(|it| words.contains(it)) {
        return format!(
            "it broke the connection off: it has ended, or only one of the two speaks TLS (cluster.tls_ca): {words}"
        );
    }
    words
}

fn by_alert(alert: &str) -> String {
    let why = match alert {
        "UnknownCA" | "DecryptError" => "is not signed by the authority that it trusts",
        "CertificateExpired" => "has expired by its clock",
        "CertificateRequired" => "is not there",
        _ => "or way of speaking it does not like",
    };
    format!("it refuses this hub, whose certificate {why} (TLS alert {alert})")
}

fn by_the_system(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some("connection refused: nobody listens at its address".to_owned())
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(format!("there is no way to its address: {error}"))
        }
        _ => None,
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_found_in_what_other_libraries_make_of_it() {
        let expired = "transport error: connection error: received fatal alert: CertificateExpired";
        let words = by_words(expired.to_owned());
        assert!(words.contains("has expired"), "{words}");
        let unknown = format!("{ALERT}UnknownCA (os error 1)");
        let words = by_words(unknown);
        assert!(words.ends_with("(TLS alert UnknownCA)"), "{words}");
        assert_eq!(by_words("no such thing".to_owned()), "no such thing");
    }

    #[test]
    fn what_the_system_says_is_found_below_what_says_nothing() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let status = tonic::Status::from_error(Box::new(refused));
        let words = unreached(&status);
        assert!(words.contains("nobody listens"), "{words}");
    }
}
