//! The table of facts against the official JSON schema files: the same verdict on every sample and
//! on fresh mutants.
//!
//! The files belong to the Open Charge Alliance and are not part of this repository. `OCPP_SCHEMAS`
//! names a directory that holds `v16/schemas`, `v201/schemas` and `v21/schemas`, as the PyPI
//! package `ocpp` 2.1.0 carries them:
//!
//! ```sh
//! pip install --no-deps --target /tmp/schemas ocpp==2.1.0
//! OCPP_SCHEMAS=/tmp/schemas/ocpp cargo test -p ocpp --test table_against_schemas
//! ```
//!
//! Deviations, both wanted:
//! - 5.0 is an integer. Of the schemas only those of 1.6 in draft 4 say that it is not; JSON itself knows no difference.
//! - Texts of the format `uri` (1.6 GetDiagnostics and UpdateFirmware) may be anything: stations take what no standard allows.

mod samples;

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use jsonschema::Validator;
use ocpp::table::{self, Kind, Version};
use samples::{mutated, valid};
use serde_json::{Number, Value, json};

const MUTANTS_PER_SAMPLE: usize = 3;

/// Where the schema files lie; nothing where the comparison is to be skipped.
fn schema_directory() -> Option<PathBuf> {
    if let Ok(directory) = env::var("OCPP_SCHEMAS") {
        return Some(directory.into());
    }
    let how = "set OCPP_SCHEMAS as tests/table_against_schemas.rs says";
    assert!(
        env::var("CI").is_err(),
        "the table must be compared with the official schemas: {how}"
    );
    eprintln!("skipped: the official schemas are not part of this repository; {how}");
    None
}

#[test]
fn the_table_is_what_its_generator_writes() {
    let Some(directory) = schema_directory() else {
        return;
    };
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("table/generate.py");
    let mut command = Command::new("python3");
    command.arg(generator).arg("--check").arg(directory);
    let status = command.status().expect("python3 runs the generator");
    assert!(status.success(), "{status}");
}

#[test]
fn the_table_and_the_schemas_give_the_same_verdict() {
    let Some(directory) = schema_directory() else {
        return;
    };
    let schemas = Schemas::read(&directory);
    let mut chance = Chance::from_env();
    let (mut valid_ones, mut invalid_ones) = (0, 0);
    for sample in valid().into_iter().chain(mutated()) {
        let validator = schemas.of(sample.version, &sample.action, sample.kind);
        let original: Value = serde_json::from_str(&sample.payload).unwrap();
        let mutants = (0..MUTANTS_PER_SAMPLE)
            .map(|_| chance.mutant_of(&original))
            .collect::<Vec<_>>();
        for mut payload in [original].into_iter().chain(mutants) {
            whole_floats_as_integers(&mut payload);
            let verdict = table::check(sample.version, &sample.action, sample.kind, &payload);
            let expected = validator.validate(&payload);
            assert_eq!(
                verdict.is_ok(),
                expected.is_ok(),
                "{:?} {} {:?} {payload}\n table: {verdict:?}\n schema: {expected:?}",
                sample.version,
                sample.action,
                sample.kind
            );
            *(if verdict.is_ok() {
                &mut valid_ones
            } else {
                &mut invalid_ones
            }) += 1;
        }
    }
    eprintln!("{valid_ones} valid and {invalid_ones} invalid payloads: the same verdicts");
    assert!(
        valid_ones > 7000 && invalid_ones > 7000,
        "{valid_ones} {invalid_ones}"
    );
}

/// The first deviation, taken out of the comparison.
fn whole_floats_as_integers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or(f64::NAN);
            if float.fract() == 0.0 && float.abs() < 9e15 {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_floats_as_integers),
        Value::Object(members) => members.values_mut().for_each(whole_floats_as_integers),
        _ => {}
    }
}

struct Schemas(HashMap<(Version, String, Kind), Validator>);

impl Schemas {
    fn read(directory: &Path) -> Self {
        let mut schemas = HashMap::new();
        for (version, folder) in [
            (Version::V16, "v16"),
            (Version::V201, "v201"),
            (Version::V21, "v21"),
        ] {
            let folder = directory.join(folder).join("schemas");
            let files =
                fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
            for path in files.map(|file| file.expect("a directory can be listed").path()) {
                let name = path
                    .file_stem()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                let (action, kind) = match name.strip_suffix("Response") {
                    Some(action) => (action, Kind::Response),
                    // 1.6 and 2.1's NotifyPeriodicEventStream go without the suffix.
                    None => (name.strip_suffix("Request").unwrap_or(name), Kind::Request),
                };
                let text = fs::read_to_string(&path).unwrap();
                let schema = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
                let validator = jsonschema::options()
                    .should_validate_formats(true)
                    .with_format("uri", |_: &str| true)
                    .build(&schema)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                schemas.insert((version, action.to_owned(), kind), validator);
            }
        }
        assert_eq!(schemas.len(), 78 + 128 + 181);
        Self(schemas)
    }

    fn of(&self, version: Version, action: &str, kind: Kind) -> &Validator {
        &self.0[&(version, action.to_owned(), kind)]
    }
}

/// A seeded source of mutants (SplitMix64).
struct Chance(u64);

impl Chance {
    fn from_env() -> Self {
        let seed = match env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            Err(_) => SystemTime::UNIX_EPOCH
                .elapsed()
                .map_or(1, |since| since.as_nanos() as u64),
        };
        eprintln!("replay with SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    /// `original` with one thing changed, anywhere in it.
    fn mutant_of(&mut self, original: &Value) -> Value {
        let mut mutant = original.clone();
        let target = self.below(nodes(&mutant));
        self.change(&mut mutant, &mut { target });
        mutant
    }

    /// Walks to the node number `left`, and changes it.
    fn change(&mut self, value: &mut Value, left: &mut usize) -> bool {
        if *left == 0 {
            self.change_here(value);
            return true;
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter_mut().any(|item| self.change(item, left)),
            Value::Object(members) => members.values_mut().any(|member| self.change(member, left)),
            _ => false,
        }
    }

    fn change_here(&mut self, value: &mut Value) {
        if self.below(4) == 0 {
            *value = match self.below(9) {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(""),
                3 => json!({}),
                4 => json!([]),
                5 => json!(-1),
                6 => json!(0.15),
                7 => json!(4_294_967_296_i64),
                _ => json!([value.take()]),
            };
            return;
        }
        match value {
            Value::Object(members) => {
                let names: Vec<String> = members.keys().cloned().collect();
                if names.is_empty() || self.below(3) == 0 {
                    members.insert("vendorsField".to_owned(), json!(1));
                } else {
                    members.remove(&names[self.below(names.len())]);
                }
            }
            Value::Array(items) => match self.below(3) {
                0 => items.clear(),
                1 => items.extend(items.clone()),
                _ => items.extend(items.first().cloned().into_iter().cycle().take(1100)),
            },
            Value::String(text) => match self.below(6) {
                0 => text.push('é'),
                1 => *text = text.repeat(30),
                2 => *text = "é".repeat(self.below(60)),
                3 => *text = text.to_lowercase(),
                4 => *text = "2026-11-24T09:30:00.1+01:00".to_owned(),
                _ => text.truncate(0),
            },
            Value::Number(number) => {
                let float = number.as_f64().unwrap_or(0.0);
                let changed = [
                    float + 0.1,
                    float + 0.05,
                    -float,
                    float + 1.0,
                    float * 1000.0,
                    3.3,
                ];
                *value = json!(changed[self.below(changed.len())]);
            }
            Value::Bool(_) | Value::Null => *value = json!("true"),
        }
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
    }
}
