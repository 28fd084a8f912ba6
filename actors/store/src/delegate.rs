//! Stores that stand before another store.

/// Implements store traits for a type that passes each call on: reads to the store one expression gives,
/// writes to that of another. Either expression may await, and may fail with `?`.
///
/// ```ignore
/// store::delegate! {
///     SiteStore, CommandStore for Slow;
///     read |this| { this.dawdle().await; &this.behind };
///     write |this| &this.behind;
/// }
/// ```
#[macro_export]
macro_rules! delegate {
    ($($trait:ident),+ for $type:ty; read |$r:ident| $read:expr; write |$w:ident| $write:expr;) => {
        $crate::delegate!(@each [$type; $r $read; $w $write] $($trait)+);
    };
    (@each $to:tt) => {};
    (@each $to:tt $trait:ident $($more:ident)*) => {
        $crate::delegate!(@$trait $to);
        $crate::delegate!(@each $to $($more)*);
    };

    (@StationStore $to:tt) => { $crate::delegate!(@impl StationStore $to
        read station(id: &model::StationId) -> Option<model::Station>;
        read hydrate(id: &model::StationId) -> $crate::Hydration;
        write create_station(station: model::Station) -> bool;
        write configure_station(station: model::Station) -> bool;
        write record_boot(id: &model::StationId, boot: model::BootInfo) -> ();
        write record_presence(id: &model::StationId, protocol: model::Protocol, at: model::Timestamp) -> ();
        write delete_station(id: &model::StationId) -> bool;
        read stations(filter: $crate::StationFilter, page: $crate::PageRequest) -> $crate::Page<model::Station>;
        read connectors(id: &model::StationId) -> Vec<model::Connector>;
        write put_connector(id: &model::StationId, connector: model::Connector) -> ();
    ); };
    (@SiteStore $to:tt) => { $crate::delegate!(@impl SiteStore $to
        read site(id: &model::SiteId) -> Option<model::Site>;
        write put_site(site: model::Site) -> ();
        write delete_site(id: &model::SiteId) -> bool;
        read sites(page: $crate::PageRequest) -> $crate::Page<model::Site>;
    ); };
    (@PowerStore $to:tt) => { $crate::delegate!(@impl PowerStore $to
        read site_power(site: &model::SiteId) -> Option<model::SitePower>;
        write put_site_power(site: &model::SiteId, power: Option<model::SitePower>) -> ();
        read powered_sites(page: $crate::PageRequest) -> $crate::Page<model::SiteId>;
        read site_memory(site: &model::SiteId) -> Option<model::SiteMemory>;
        write put_site_memory(site: &model::SiteId, memory: model::SiteMemory) -> ();
    ); };
    (@TokenStore $to:tt) => { $crate::delegate!(@impl TokenStore $to
        read token(uid: &model::TokenUid) -> Option<model::Token>;
        write put_token(token: model::Token) -> ();
        write delete_token(uid: &model::TokenUid) -> bool;
        read tokens(page: $crate::PageRequest) -> $crate::Page<model::Token>;
        read open_sessions_of(token: &model::Token) -> u32;
    ); };
    (@NoticeStore $to:tt) => { $crate::delegate!(@impl NoticeStore $to
        write record_notice(station: &model::StationId, notice: $crate::NoticeRecord) -> ();
        read notices(station: &model::StationId, action: Option<String>, page: $crate::PageRequest) -> $crate::Page<$crate::NoticeRecord>;
        write prune_notices(before: model::Timestamp, most: u32) -> u32;
    ); };
    (@CommandStore $to:tt) => { $crate::delegate!(@impl CommandStore $to
        write put_command(record: model::CommandRecord) -> ();
        read command(id: model::CommandId) -> Option<model::CommandRecord>;
        read commands(station: &model::StationId, page: $crate::PageRequest) -> $crate::Page<model::CommandRecord>;
        write close_unfinished_commands(error: &str) -> u32;
    ); };
    (@DeadLetterStore $to:tt) => { $crate::delegate!(@impl DeadLetterStore $to
        write record_dead_letter(letter: model::DeadLetter) -> model::DeadLetter;
        read dead_letter(id: model::DeadLetterId) -> Option<model::DeadLetter>;
        read dead_letters(page: $crate::PageRequest) -> $crate::Page<model::DeadLetter>;
        write delete_dead_letter(id: model::DeadLetterId) -> bool;
    ); };
    (@MessageStore $to:tt) => { $crate::delegate!(@impl MessageStore $to
        write append_messages(entries: Vec<model::MessageEntry>) -> ();
        read messages(station: &model::StationId, filter: $crate::MessageFilter, page: $crate::PageRequest) -> $crate::Page<model::MessageEntry>;
        write prune_messages(before: model::Timestamp, most: u32) -> u32;
    ); };
    (@ApiKeyStore $to:tt) => { $crate::delegate!(@impl ApiKeyStore $to
        read api_key(sha256: &str) -> Option<model::ApiKey>;
        write create_api_key(key: model::ApiKey) -> ();
        write delete_api_key(prefix: &str) -> bool;
        read api_keys() -> Vec<model::ApiKey>;
    ); };
    (@SessionStore $to:tt) => { $crate::delegate!(@impl SessionStore $to
        write commit_session(commit: $crate::SessionCommit) -> $crate::Committed;
        read session(id: model::SessionId) -> Option<model::Session>;
        read session_by_transaction(station: &model::StationId, transaction: &str) -> Option<model::Session>;
        read session_by_key(station: &model::StationId, key: &model::RetryKey) -> Option<model::Session>;
        read sessions(filter: $crate::SessionFilter, page: $crate::PageRequest) -> $crate::Page<model::Session>;
        read session_events(id: model::SessionId, page: $crate::PageRequest) -> $crate::Page<model::SessionEventRecord>;
        write record_reading(station: &model::StationId, reading: model::StoredReading) -> ();
        read readings(station: &model::StationId, page: $crate::PageRequest) -> $crate::Page<model::StoredReading>;
    ); };

    (@CdrStore $to:tt) => { $crate::delegate!(@impl CdrStore $to
        write create_cdr(record: model::ChargeDetailRecord) -> $crate::CdrCreated;
        read cdr(id: model::CdrId) -> Option<model::ChargeDetailRecord>;
        read cdrs(filter: $crate::CdrFilter, page: $crate::PageRequest) -> $crate::Page<model::ChargeDetailRecord>;
        read sessions_to_record(page: $crate::PageRequest) -> $crate::Page<model::SessionId>;
        read session_to_record(id: model::SessionId) -> Option<$crate::SessionToRecord>;
        write recorded(id: model::SessionId, version: i64) -> ();
    ); };

    (@impl $trait:ident [$type:ty; $r:ident $read:expr; $w:ident $write:expr]
        $($kind:ident $name:ident($($given:ident: $of:ty),*) -> $out:ty;)*) => {
        #[async_trait::async_trait]
        impl $crate::$trait for $type {
            $(async fn $name(&self, $($given: $of),*) -> Result<$out, $crate::delegate!(@error $kind)> {
                let before = self;
                $crate::delegate!(@$kind before [$r $read] [$w $write]).$name($($given),*).await
            })*
        }
    };
    (@error read) => { $crate::ReadError };
    (@error write) => { $crate::WriteError };
    (@read $this:ident [$r:ident $read:expr] $write:tt) => {{ let $r = $this; $read }};
    (@write $this:ident $read:tt [$w:ident $write:expr]) => {{ let $w = $this; $write }};
}
