//! What is said to settings that cannot be.

use super::*;

fn load(toml: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    std::fs::write(&file, toml).unwrap();
    Config::load(Some(&file))
}

#[test]
fn the_settings_for_scylladb_that_come_with_the_hub_are_good() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/scylla/switchyard.toml");
    let config = Config::load(Some(&file)).unwrap();
    assert_eq!(config.store.kind, StoreKind::Scylla);
}

fn complaint(toml: &str) -> String {
    let complaint = load(toml).unwrap_err().to_string();
    assert!(!complaint.contains('\n'), "one line: {complaint}");
    complaint
}

#[test]
fn nothing_set_is_a_hub_on_loopback() {
    assert_eq!(load("").unwrap(), Config::default());
    assert!(Config::default().chargers.listen.ip().is_loopback());
}

#[test]
fn an_unknown_key_is_named() {
    assert!(complaint("[chargers]\nlisten_on = 1").contains("listen_on"));
    assert!(complaint("[charger]").contains("charger"));
}

#[test]
fn a_value_that_cannot_be_is_named() {
    assert!(complaint("[chargers]\nlisten = \"nowhere\"").contains("listen"));
    assert!(complaint("[chargers]\nping_interval_s = 0").contains("ping_interval_s"));
    assert!(complaint("[chargers]\nadmission = \"maybe\"").contains("maybe"));
}

#[test]
fn a_log_filter_that_would_silence_everything_is_no_filter() {
    for filter in ["blah", "info,blah", "=", "hub=loud"] {
        let said = complaint(&format!("[log]\nfilter = {filter:?}"));
        assert!(said.contains("log.filter"), "{said}");
    }
    for filter in [
        "info",
        "warn,hub=debug",
        "off",
        "",
        "hub=trace,actors[x]=info",
    ] {
        load(&format!("[log]\nfilter = {filter:?}")).unwrap();
    }
}

#[test]
fn an_open_address_needs_to_be_said_twice() {
    assert!(complaint("[chargers]\nlisten = \"0.0.0.0:1\"").contains("allow_plaintext"));
    let plain = "[chargers]\nlisten = \"0.0.0.0:1\"\nallow_plaintext = true";
    assert!(complaint(plain).contains("allow_open_admission"));
    load(&format!("{plain}\nadmission = \"known\"")).unwrap();
    assert!(complaint("[api]\nlisten = \"0.0.0.0:1\"").contains("api.allow_plaintext"));
}

#[test]
fn what_a_cluster_wants_is_said_together() {
    let store = |keys: &str| format!("[store]\nkind = \"scylla\"\n{keys}");
    let config = load(&store("user = \"hub\"\npassword = \"secret\"")).unwrap();
    assert!(!toml::to_string(&config).unwrap().contains("secret"));
    assert!(complaint(&store("user = \"hub\"")).contains("store.password_file"));
    assert!(complaint(&store("tls_key = \"key.pem\"")).contains("store.tls_certificate"));
    assert!(complaint(&store("contact_points = []")).contains("store.contact_points"));
    assert!(complaint(&store("request_timeout_ms = 1")).contains("store.request_timeout_ms"));
}

#[test]
fn nodes_are_named_in_a_list_or_in_a_text_with_commas() {
    let points = |value: &str| {
        let toml = format!("[store]\nkind = \"scylla\"\ncontact_points = {value}");
        load(&toml).map(|config| config.store.contact_points)
    };
    let two = Ok(vec!["10.0.0.1:9042".to_owned(), "c2:9043".to_owned()]);
    assert_eq!(points("[\"10.0.0.1:9042\", \"c2:9043\"]"), two);
    assert_eq!(points("\"10.0.0.1:9042, c2:9043\""), two);
    for bad in ["9042", "\"\"", "\"10.0.0.1:9042,\"", "[]", "[1]"] {
        let said = points(bad).unwrap_err().to_string();
        assert!(said.contains("store.contact_points"), "{bad}: {said}");
        let shows = said.contains("[\"10.0.0.1:9042\", \"10.0.0.2:9042\"]");
        assert!(shows || bad == "[1]", "{bad}: {said}");
    }
}

#[test]
fn a_word_that_is_not_known_is_told_with_those_that_are() {
    let said = complaint("[store]\nkind = \"cassandra\"");
    let words = "store.kind: `cassandra` is none of `sqlite`, `scylla`";
    assert!(said.contains(words), "{said}");
    let said = complaint("[spool]\nsize = 1");
    assert!(
        said.contains("`size`; there are `dir`, `max_bytes`"),
        "{said}"
    );
    assert!(!said.contains("``"), "{said}");
}

#[test]
fn a_hub_among_others_needs_redis_and_an_address() {
    let cluster = |keys: &str| load(&format!("[cluster]\nallow_plaintext = true\n{keys}"));
    let config = cluster("redis = \"redis://:secret@r1\"\naddress = \"10.0.0.1:9222\"");
    let config = config.unwrap();
    assert!(!toml::to_string(&config).unwrap().contains("secret"));
    let member = config.cluster.member().unwrap().unwrap();
    assert_eq!(member.name, "10.0.0.1:9222", "its name where none is set");
    assert_eq!(member.listen, "10.0.0.1:9222".parse().unwrap());
    assert!(Config::default().cluster.member().unwrap().is_none());

    let complaint = |keys: &str| complaint(&format!("[cluster]\n{keys}"));
    let redis = "redis = \"redis://r1\"";
    assert!(complaint(redis).contains("cluster.address"));
    assert!(complaint("name = \"a\"").contains("cluster.redis"));
    for address in ["10.0.0.1", "10.0.0.1:0", ":1", "a b:1"] {
        let said = complaint(&format!("{redis}\naddress = {address:?}"));
        assert!(said.contains("cluster.address"), "{said}");
    }
    for everywhere in ["0.0.0.0:9222", "[::]:9222"] {
        let said = complaint(&format!("{redis}\naddress = {everywhere:?}"));
        assert!(said.contains("cluster.listen to"), "{said}");
    }
    let named = format!("{redis}\naddress = \"hub-1:9222\"");
    assert!(complaint(&named).contains("cluster.listen"));
    cluster(&format!("{named}\nlisten = \"0.0.0.0:9222\"")).unwrap();
    let unreadable = "redis_file = \"/nowhere/url\"\naddress = \"10.0.0.1:9222\"";
    let unreadable = cluster(unreadable).unwrap().cluster.member();
    assert!(unreadable.unwrap_err().contains("/nowhere/url"));
    let no_url = "redis = \"r1:secret@\"\naddress = \"10.0.0.1:9222\"";
    let no_url = cluster(no_url).unwrap().cluster.member().unwrap_err();
    assert!(
        no_url.contains("redis+sentinel://") && !no_url.contains("secret"),
        "{no_url}"
    );
}

#[test]
fn hubs_on_many_machines_need_certificates_or_are_told_to_do_without() {
    let cluster = |keys: &str| format!("[cluster]\nredis = \"redis://r1\"\n{keys}");
    load(&cluster("address = \"127.0.0.1:9222\"")).unwrap();
    let there = "address = \"10.0.0.1:9222\"";
    assert!(complaint(&cluster(there)).contains("cluster.allow_plaintext"));
    let half = format!("{there}\ntls_ca = \"ca.pem\"");
    assert!(complaint(&cluster(&half)).contains("cluster.tls_key"));
    let all = format!(
        "{there}\ntls_ca = \"/nowhere/ca.pem\"\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\""
    );
    let unreadable = load(&cluster(&all)).unwrap().cluster.member();
    assert!(unreadable.unwrap_err().contains("/nowhere/ca.pem"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let complaint = Config::load(Some(Path::new("/nowhere/hub.toml"))).unwrap_err();
    assert!(complaint.to_string().contains("/nowhere/hub.toml"));
}
