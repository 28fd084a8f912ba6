//! The text of the facts, read into a form that can be walked. `table/generate.py` says how the
//! text is written.

use std::collections::HashMap;

use super::{Kind, Sender};

/// The facts of one version.
pub(crate) struct Table {
    /// Every action and who sends its request, sorted by name.
    pub(super) actions: Vec<(&'static str, Sender)>,
    enums: Vec<Vec<&'static str>>,
    objects: Vec<Object>,
    messages: HashMap<(&'static str, Kind), ObjectId>,
}

/// An object of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ObjectId(usize);

/// A list of values of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EnumId(usize);

/// A payload or a part of one.
pub(crate) struct Object {
    /// Its name; a payload has none.
    pub(crate) name: &'static str,
    /// Further fields are legal.
    pub(crate) open: bool,
    pub(crate) fields: Vec<Field>,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A field of an object.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) optional: bool,
    pub(crate) kind: Type,
    /// It is a list of `kind`, of this many at least and at most.
    pub(crate) list: Option<(usize, usize)>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Type {
    Text {
        chars_max: usize,
    },
    Time,
    Integer {
        min: f64,
        max: f64,
    },
    Number {
        min: f64,
        max: f64,
        step: Option<f64>,
    },
    Boolean,
    Any,
    Enum(EnumId),
    Object(ObjectId),
}

impl Table {
    /// Reads a version's facts. The text is part of this crate and a test reads all of it, so a
    /// line that cannot be read is a bug of ours.
    pub(super) fn read(text: &'static str) -> Self {
        let mut names = HashMap::new();
        let mut table = Self {
            actions: Vec::new(),
            enums: Vec::new(),
            objects: Vec::new(),
            messages: HashMap::new(),
        };
        // A field may name a type that stands further down, so all names come first.
        let mut objects = 0;
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("enum", rest)) => {
                    let mut words = rest.split(' ');
                    let name = words.next().unwrap_or_default();
                    names.insert(name, Type::Enum(EnumId(table.enums.len())));
                    table.enums.push(words.collect());
                }
                Some(("type", rest)) => {
                    let name = rest.strip_suffix(" open").unwrap_or(rest);
                    names.insert(name, Type::Object(ObjectId(objects)));
                    objects += 1;
                }
                Some(("message", _)) => objects += 1,
                _ => {}
            }
        }
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("type", rest)) => {
                    let name = rest.strip_suffix(" open");
                    table.begin(name.unwrap_or(rest), name.is_some());
                }
                Some(("message", rest)) => table.begin_message(rest),
                Some(("", field)) => {
                    let object = table.objects.last_mut().expect("a field follows its owner");
                    object.fields.push(field_of(field.trim_start(), &names));
                }
                _ => {}
            }
        }
        table.actions.sort_unstable_by_key(|(name, _)| *name);
        table.actions.dedup();
        table
    }

    fn begin(&mut self, name: &'static str, open: bool) {
        let fields = Vec::new();
        self.objects.push(Object { name, open, fields });
    }

    fn begin_message(&mut self, head: &'static str) {
        let mut words = head.split(' ');
        let mut word = || {
            words
                .next()
                .expect("a message has an action, a kind and a sender")
        };
        let (action, kind, sender) = (word(), word(), word());
        let kind = if kind == "request" {
            Kind::Request
        } else {
            Kind::Response
        };
        let sender = match sender {
            "station" => Sender::Station,
            "csms" => Sender::Csms,
            _ => Sender::Both,
        };
        self.actions.push((action, sender));
        self.messages
            .insert((action, kind), ObjectId(self.objects.len()));
        self.begin("", false);
    }

    pub(crate) fn message(&self, action: &str, kind: Kind) -> Option<ObjectId> {
        let found = self
            .actions
            .binary_search_by_key(&action, |(name, _)| name)
            .ok()?;
        self.messages.get(&(self.actions[found].0, kind)).copied()
    }

    pub(crate) fn object(&self, ObjectId(at): ObjectId) -> &Object {
        &self.objects[at]
    }

    pub(crate) fn values(&self, EnumId(at): EnumId) -> &[&'static str] {
        &self.enums[at]
    }
}

fn field_of(line: &'static str, names: &HashMap<&'static str, Type>) -> Field {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a field has a name and a type");
    let (name, kind) = (word(), word());
    let (mut chars_max, mut min, mut max, mut step, mut list) =
        (usize::MAX, f64::NEG_INFINITY, f64::INFINITY, None, None);
    for limit in words {
        let (what, value) = limit.split_once('=').expect("a limit is name=value");
        let number = || value.parse().expect("a limit is a number");
        match what {
            "max" => chars_max = value.parse().expect("a length is a number"),
            "ge" => min = number(),
            "le" => max = number(),
            "step" => step = Some(number()),
            _ => {
                let (from, to) = value.split_once("..").expect("a list has two bounds");
                list = Some((from.parse().unwrap_or(0), to.parse().unwrap_or(usize::MAX)));
            }
        }
    }
    let kind = match kind {
        "string" => Type::Text { chars_max },
        "date-time" => Type::Time,
        "integer" => Type::Integer { min, max },
        "number" => Type::Number { min, max, step },
        "boolean" => Type::Boolean,
        "any" => Type::Any,
        named => *names
            .get(named)
            .expect("a type is one of OCPP's or of the table"),
    };
    Field {
        optional: name.ends_with('?'),
        name: name.trim_end_matches('?'),
        kind,
        list,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Version;

    #[test]
    fn the_facts_of_every_version_are_read_in_full() {
        for (version, actions, messages) in [
            (Version::V16, 39, 78),
            (Version::V201, 64, 128),
            (Version::V21, 91, 181),
        ] {
            let table = version.table();
            assert_eq!(
                (table.actions.len(), table.messages.len()),
                (actions, messages),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_field_says_all_that_its_line_says() {
        let table = Version::V16.table();
        let start = table.object(table.message("StartTransaction", Kind::Request).unwrap());
        let id_tag = start.field("idTag").unwrap();
        assert_eq!(
            (id_tag.optional, id_tag.kind),
            (false, Type::Text { chars_max: 20 })
        );
        assert!(start.field("reservationId").unwrap().optional);
        let meter_values = table.object(table.message("MeterValues", Kind::Request).unwrap());
        assert_eq!(
            meter_values.field("meterValue").unwrap().list,
            Some((1, usize::MAX))
        );
    }
}
