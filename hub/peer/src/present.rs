//! Who holds a stream to this node. Every node holds one to every other that it reaches, so who does not cannot reach
//! this one, or is of a version that opens it only when it has something to ask.

use std::sync::Arc;

use dashmap::DashMap;

/// Who holds a stream to this node; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Present(Arc<DashMap<String, usize>>);

impl Present {
    /// Whether the node of that name does.
    pub fn is(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A stream of the node of that name, for as long as what is returned is kept.
    pub(crate) fn comes(&self, name: &str) -> IsPresent {
        *self.0.entry(name.to_owned()).or_default() += 1;
        IsPresent {
            present: self.clone(),
            name: name.to_owned(),
        }
    }
}

/// A stream of a node that is open.
pub(crate) struct IsPresent {
    present: Present,
    name: String,
}

impl Drop for IsPresent {
    fn drop(&mut self) {
        self.present.0.remove_if_mut(&self.name, |_, streams| {
            *streams -= 1;
            *streams == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_present_until_its_last_stream_has_ended() {
        let present = Present::default();
        let first = present.comes("b");
        let next = present.comes("b");
        drop(first);
        assert!(present.is("b") && !present.is("c"));
        drop(next);
        assert!(!present.is("b"));
    }
}
