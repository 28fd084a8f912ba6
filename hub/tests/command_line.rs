//! The program without a hub that runs: what keeps it from starting is one clear line, and a configuration can be looked at.

use std::process::{Command, Output};

/// Runs it in an empty directory, with these settings in the environment.
fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.args(arguments).current_dir(dir.path());
    command
        .env("SWITCHYARD_CHARGERS__LISTEN", "127.0.0.1:0")
        .env("SWITCHYARD_API__LISTEN", "127.0.0.1:0");
    for (key, value) in settings {
        command.env(format!("SWITCHYARD_{key}"), value);
    }
    command.output().unwrap()
}

/// The one line on standard error of a hub that does not start.
fn complaint(arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let ended = run(arguments, settings);
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    said
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused_in_one_line() {
    let unknown = complaint(&[], &[("CHARGERS__LISTNE", "1")]);
    assert!(unknown.contains("listne"), "{unknown}");
    let nowhere = complaint(&[], &[("API__LISTEN", "localhost:9221")]);
    assert!(
        nowhere.contains("api.listen") && nowhere.contains("127.0.0.1:9220"),
        "{nowhere}"
    );
    let bad = complaint(&[], &[("CHARGERS__PING_INTERVAL_S", "often")]);
    assert!(bad.to_lowercase().contains("ping_interval_s"), "{bad}");
    let open = complaint(&[], &[("API__LISTEN", "0.0.0.0:0")]);
    assert!(open.contains("api.allow_plaintext"), "{open}");
    let unwritable = complaint(&[], &[("DATA__DIR", "/proc/hub")]);
    assert!(
        unwritable.contains("/proc/hub") && unwritable.contains("data.dir"),
        "{unwritable}"
    );
    let cramped = complaint(&["check-config"], &[("DATA__MAX_BYTES", "1")]);
    assert!(
        cramped.contains("data.max_bytes") && cramped.contains("1048576"),
        "{cramped}"
    );
    let missing = complaint(&["--config", "/nowhere.toml"], &[]);
    assert!(missing.contains("/nowhere.toml"), "{missing}");
}

#[test]
fn check_config_prints_the_whole_configuration_and_starts_nothing() {
    let checked = run(&["check-config"], &[]);
    assert!(checked.status.success());
    let shown = String::from_utf8(checked.stdout).unwrap();
    for setting in ["ping_interval_s = 60", "max_bytes = 0", "calls_at_once = "] {
        assert!(shown.contains(setting), "{setting} in {shown}");
    }
}
