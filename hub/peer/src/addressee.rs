//! Whom a stream is meant for.
//!
//! A node is asked at its address, and another may answer there: one that was given the same address by mistake, or one
//! that started where the other was. So whoever opens a stream names the node it means, as placement knows it, and any
//! other refuses the stream. A node of a version that names nobody is believed to mean the one it reached.

use placement::NodeAddress;
use tonic::{
    Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::wire;

/// Writes down that a stream is meant for that node.
pub(crate) fn name(node: &NodeAddress, metadata: &mut MetadataMap) {
    let name = MetadataValue::from_bytes(node.name.as_bytes());
    metadata.insert_bin(wire::TO, name);
    metadata.insert(wire::TO_INCARNATION, node.incarnation.into());
}

/// Refuses a stream that is not meant for the node of that name and incarnation; one that has none yet is known to
/// nobody.
///
/// # Errors
/// Who answers instead of whom, in words that are meant for an operator.
pub(crate) fn check(
    metadata: &MetadataMap,
    name: &str,
    incarnation: Option<i64>,
) -> Result<(), Status> {
    let Some(meant) = name_of(metadata, wire::TO) else {
        return Ok(());
    };
    if meant != name {
        return Err(Status::failed_precondition(format!(
            "{name} answers at the address of {meant}; give each its own cluster.address"
        )));
    }
    let process = metadata.get(wire::TO_INCARNATION);
    let process = process.and_then(|process| process.to_str().ok()?.parse::<i64>().ok());
    if process.is_some() && process != incarnation {
        return Err(Status::failed_precondition(format!(
            "another process of {name} answers than the one that is meant"
        )));
    }
    Ok(())
}

/// The node that a header names.
pub(crate) fn name_of(metadata: &MetadataMap, header: &str) -> Option<String> {
    let name = metadata.get_bin(header)?.to_bytes().ok()?;
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a node of that name and incarnation says to a stream that is meant for process 7 of `hub-a`.
    fn said_by(name: &str, incarnation: Option<i64>) -> Result<(), String> {
        let meant = NodeAddress {
            name: "hub-a".to_owned(),
            address: "10.0.0.1:9222".to_owned(),
            incarnation: 7,
        };
        let mut metadata = MetadataMap::new();
        super::name(&meant, &mut metadata);
        check(&metadata, name, incarnation).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn only_the_node_that_is_meant_takes_a_stream() {
        assert_eq!(said_by("hub-a", Some(7)), Ok(()));
        let why = said_by("hub-b", Some(7)).unwrap_err();
        assert!(
            why.contains("hub-b answers") && why.contains("hub-a"),
            "{why}"
        );
        for other in [Some(6), Some(8), None] {
            let why = said_by("hub-a", other).unwrap_err();
            assert!(why.contains("another process of hub-a"), "{why}");
        }
    }

    #[test]
    fn a_stream_that_names_nobody_is_taken() {
        assert!(check(&MetadataMap::new(), "hub-a", Some(7)).is_ok());
    }
}
