//! How connections are set up.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use scylla::{
    client::{
        Compression, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    policies::{load_balancing::DefaultPolicy, timestamp_generator::MonotonicTimestampGenerator},
    statement::{Consistency, SerialConsistency},
};

use crate::{
    OpenError, Options, Tls,
    cql::{Cql, CqlError, Statement},
};

/// How long a connection may take to be opened.
const CONNECT: Duration = Duration::from_secs(5);
/// A silent connection is tried after the first, and given up after the second.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));

const THERE: Statement =
    Statement::plain("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?");

/// Connects, and makes the keyspace where that is asked for.
pub(crate) async fn connect(options: &Options) -> Result<Cql, OpenError> {
    let keyspace = options.keyspace.as_str();
    let is_named = (1..=48).contains(&keyspace.len())
        && keyspace
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_named {
        return Err(OpenError::BadKeyspace(keyspace.to_owned()));
    }
    let session = open(options).await?;
    let cql = Cql::new(session, options);
    let failed = |error: CqlError| OpenError::Other {
        keyspace: keyspace.to_owned(),
        why: error.to_string(),
    };
    let there: Option<(String,)> = cql.row(THERE, (keyspace,)).await.map_err(failed)?;
    if there.is_some() {
        return Ok(cql);
    }
    let Some(replicas) = options.create_with_replicas else {
        return Err(OpenError::NoKeyspace(keyspace.to_owned()));
    };
    let datacenter = options.datacenter.as_deref();
    let create = format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\" WITH replication =
             {{'class': 'NetworkTopologyStrategy', '{}': {replicas}}}",
        datacenter
            .unwrap_or("replication_factor")
            .replace('\'', "''"),
    );
    cql.change(&create).await.map_err(failed)?;
    Ok(cql)
}

async fn open(options: &Options) -> Result<Session, OpenError> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &options.datacenter {
        // A quorum is of that datacentre, so a node elsewhere could not bring it about faster.
        policy = policy
            .prefer_datacenter(datacenter.clone())
            .permit_dc_failover(false);
    }
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .request_timeout(Some(options.request_timeout))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECT)
        .keepalive_interval(KEEPALIVE.0)
        .keepalive_timeout(KEEPALIVE.1)
        .compression(Some(Compression::Lz4))
        // What bears no timestamp of its own is ordered by this process, not by whichever node it meets.
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()))
        // Which replicas hold a row, and no more than that.
        .fetch_full_schema_metadata(false);
    if let Some(us) = &options.credentials {
        builder = builder.user(&us.user, &us.password);
    }
    if let Some(files) = &options.tls {
        builder = builder.tls_context(Some(tls(files)?));
    }
    let unreachable = |why: String| OpenError::Unreachable {
        points: options.contact_points.join(", "),
        why,
    };
    let opening = tokio::time::timeout(CONNECT * 4, builder.build()).await;
    opening
        .map_err(|_| unreachable("no answer in time".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))
}

fn tls(files: &Tls) -> Result<Arc<ClientConfig>, OpenError> {
    let bad = |file: &std::path::Path, why: String| OpenError::Tls {
        file: file.to_path_buf(),
        why,
    };
    let certificates = |file: &std::path::Path| {
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(file, error.to_string()))
    };
    let mut trusted = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        let added = trusted.add(certificate);
        added.map_err(|error| bad(&files.ca, error.to_string()))?;
    }
    if trusted.is_empty() {
        return Err(bad(&files.ca, "there is no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config
        .map_err(|error| bad(&files.ca, error.to_string()))?
        .with_root_certificates(trusted);
    let config = match &files.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key);
            let private = private.map_err(|error| bad(key, error.to_string()))?;
            let config = config.with_client_auth_cert(chain, private);
            config.map_err(|error| bad(certificate, error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}
