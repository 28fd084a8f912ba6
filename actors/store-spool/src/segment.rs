//! How records lie in a segment. Pure.
//!
//! ```text
//! segment = "SWSPOOL1" record* [seal]
//! record  = length (4 bytes, little-endian)  hash (8 bytes: xxh3 of the length and the body)  body
//! seal    = a record without a body
//! ```
//!
//! A segment that a hub closed ends in a seal. One that it was killed over has none, and may end in the
//! middle of a record that nobody was told was written. So what is unreadable at the end of an unsealed
//! segment is an interrupted write; unreadable bytes anywhere else are damage, and acknowledged
//! messages may be in them.

use std::ops::Range;

/// What every segment begins with; the last byte is the format's version.
pub(crate) const MAGIC: &[u8; 8] = b"SWSPOOL1";
const HEAD: usize = 12;
/// No record is longer: a length above it is no length.
pub(crate) const BODY_MOST: usize = 16 << 20;

/// Appends a record to `to`.
pub(crate) fn put(to: &mut Vec<u8>, body: &[u8]) {
    // Longer ones are refused before they come here.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    to.extend_from_slice(&length);
    to.extend_from_slice(&hash(length, body).to_le_bytes());
    to.extend_from_slice(body);
}

/// Appends the seal.
pub(crate) fn put_seal(to: &mut Vec<u8>) {
    put(to, &[]);
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents<'a> {
    /// The bodies of its records, in the order they were written.
    pub(crate) records: Vec<&'a [u8]>,
    /// Whether it was closed.
    pub(crate) sealed: bool,
    /// Bytes that cannot be read and were acknowledged, or may have been.
    pub(crate) damaged: Vec<Range<usize>>,
    /// How many bytes of an interrupted write lie at the end.
    pub(crate) interrupted: usize,
}

/// Reads a segment, past what is damaged.
pub(crate) fn read(bytes: &[u8]) -> Contents<'_> {
    let mut contents = Contents::default();
    let mut at = match bytes.starts_with(MAGIC) {
        true => MAGIC.len(),
        false => 0,
    };
    if at == 0 && !MAGIC.starts_with(bytes) {
        // Its beginning is lost; what follows may be whole.
        at = next_record(bytes, 0).unwrap_or(bytes.len());
        contents.damaged.push(0..at);
    }
    while at < bytes.len() {
        match record_at(bytes, at) {
            Some([]) => {
                contents.sealed = true;
                at += HEAD;
            }
            Some(body) => {
                contents.records.push(body);
                at += HEAD + body.len();
            }
            None => {
                let next = next_record(bytes, at + 1).unwrap_or(bytes.len());
                contents.damaged.push(at..next);
                at = next;
            }
        }
    }
    if let (false, Some(last)) = (contents.sealed, contents.damaged.last())
        && last.end == bytes.len()
    {
        contents.interrupted = last.len();
        contents.damaged.pop();
    }
    contents
}

fn record_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    let told: [u8; 8] = bytes.get(at + 4..at + HEAD)?.try_into().ok()?;
    let size = u32::from_le_bytes(length) as usize;
    if size > BODY_MOST {
        return None;
    }
    let body = bytes.get(at + HEAD..at + HEAD + size)?;
    (hash(length, body).to_le_bytes() == told).then_some(body)
}

/// Where the next whole record begins.
fn next_record(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len().saturating_sub(HEAD - 1)).find(|at| record_at(bytes, *at).is_some())
}

fn hash(length: [u8; 4], body: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(body, u64::from(u32::from_le_bytes(length)) ^ 0x5350_4F4F)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(bodies: &[Vec<u8>], sealed: bool) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for body in bodies {
            put(&mut bytes, body);
        }
        if sealed {
            put_seal(&mut bytes);
        }
        bytes
    }

    fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let body = proptest::collection::vec(any::<u8>(), 1..40);
        proptest::collection::vec(body, 0..12)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(bodies in bodies(), sealed: bool) {
            let bytes = written(&bodies, sealed);
            let contents = read(&bytes);
            prop_assert_eq!(contents.records, bodies);
            prop_assert_eq!(contents.sealed, sealed);
            prop_assert!(contents.damaged.is_empty());
            prop_assert_eq!(contents.interrupted, 0);
        }

        #[test]
        fn a_write_cut_short_takes_nothing_with_it(bodies in bodies(), keep: prop::sample::Index) {
            let whole = written(&bodies, false);
            let cut = keep.index(whole.len() + 1);
            let contents = read(&whole[..cut]);
            let mut size = MAGIC.len();
            let complete = bodies.iter().take_while(|body| {
                size += HEAD + body.len();
                size <= cut
            });
            prop_assert_eq!(contents.records, complete.collect::<Vec<_>>());
            prop_assert!(contents.damaged.is_empty());
        }

        #[test]
        fn a_flipped_bit_in_a_closed_segment_costs_one_record_and_is_seen(
            bodies in bodies().prop_filter("something to damage", |bodies| !bodies.is_empty()),
            place: prop::sample::Index,
            bit in 0..8u8,
        ) {
            let whole = written(&bodies, true);
            let mut bytes = whole.clone();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let contents = read(&bytes);
            prop_assert!(contents.records.len() + 1 >= bodies.len());
            for record in &contents.records {
                prop_assert!(bodies.iter().any(|body| body == record));
            }
            let lost_seal = !contents.sealed && contents.records.len() == bodies.len();
            prop_assert!(!contents.damaged.is_empty() || lost_seal);
        }
    }
}
