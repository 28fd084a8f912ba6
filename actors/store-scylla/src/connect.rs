//! How connections are set up.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use scylla::{
    client::{
        Compression, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    errors::{
        BrokenConnectionError, BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError,
        ConnectionSetupRequestError, ConnectionSetupRequestErrorKind, DbError,
        FrameHeaderParseError, MetadataError, NewSessionError,
    },
    policies::load_balancing::DefaultPolicy,
    statement::{Consistency, SerialConsistency},
};

use crate::{
    OpenError, Options, Tls,
    cql::{Cql, CqlError, Statement, in_one_line},
    numbers::Numbers,
    permission::Needs,
    store_clock,
};

/// How long a connection may take to be opened.
const CONNECT: Duration = Duration::from_secs(5);
/// A silent connection is tried after the first, and given up after the second.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));

const THERE: Statement =
    Statement::plain("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?");

/// Connects, sets the numbers by the store's clock, and makes the keyspace where that is asked for.
pub(crate) async fn connect(options: &Options, numbers: &Arc<Numbers>) -> Result<Cql, OpenError> {
    let keyspace = options.keyspace.as_str();
    let is_named = (1..=48).contains(&keyspace.len())
        && keyspace
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_named {
        return Err(OpenError::BadKeyspace(keyspace.to_owned()));
    }
    let session = open(options, numbers.clone()).await?;
    let cluster = session.get_cluster_state();
    let nodes = cluster.get_nodes_info().iter();
    let there = nodes.filter_map(|node| node.datacenter.as_deref());
    check_datacenter(options.datacenter.as_deref(), &there.collect())?;
    let cql = Cql::new(session, options);
    let failed = |error: CqlError| error.of_opening(keyspace);
    let clock = store_clock::read_first(&cql, numbers).await;
    clock.map_err(failed)?;
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
    cql.change(&create, Needs::Keyspaces)
        .await
        .map_err(failed)?;
    Ok(cql)
}

async fn open(options: &Options, numbers: Arc<Numbers>) -> Result<Session, OpenError> {
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
        .timestamp_generator(numbers)
        // Which replicas hold a row, and no more than that.
        .fetch_full_schema_metadata(false);
    if let Some(us) = &options.credentials {
        builder = builder.user(&us.user, &us.password);
    }
    if let Some(files) = &options.tls {
        builder = builder.tls_context(Some(tls(files)?));
    }
    let points = options.contact_points.join(", ");
    match tokio::time::timeout(CONNECT * 4, builder.build()).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(refused(points, &error)),
        Err(_) => Err(OpenError::Away {
            points,
            why: "no answer in time".to_owned(),
        }),
    }
}

/// Whether nobody is there, or somebody who does not let us in.
fn refused(points: String, error: &NewSessionError) -> OpenError {
    let why = in_one_line(error);
    let broken = match error {
        NewSessionError::FailedToResolveAnyHostname(_)
        | NewSessionError::MetadataError(MetadataError::FetchError(_)) => {
            return OpenError::Away { points, why };
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
            ConnectionPoolError::Broken {
                last_connection_error,
            },
        )) => last_connection_error,
        _ => return OpenError::Unreachable { points, why },
    };
    match broken {
        ConnectionError::ConnectionSetupRequestError(ConnectionSetupRequestError {
            error: ConnectionSetupRequestErrorKind::MissingAuthentication,
            ..
        }) => OpenError::NoCredentials { points },
        ConnectionError::ConnectionSetupRequestError(ConnectionSetupRequestError {
            error: ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, says),
            ..
        }) if !cannot_look_up(says) => OpenError::BadCredentials {
            points,
            says: says.clone(),
        },
        broken if is_nobody(broken) => OpenError::Away { points, why },
        _ => OpenError::Unreachable { points, why },
    }
}

/// Whether it looks as if no server were there (yet): nothing listens, or what does hangs up, as a proxy whose server is
/// away. Whoever says something else than a CQL server was found at the wrong address.
fn is_nobody(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::ConnectTimeout | ConnectionError::BrokenConnection(_) => true,
        // What is no TLS, or not the TLS that we trust, is invalid data.
        ConnectionError::IoError(error) => error.kind() != io::ErrorKind::InvalidData,
        ConnectionError::ConnectionSetupRequestError(request) => match &request.error {
            ConnectionSetupRequestErrorKind::BrokenConnection(broken) => has_hung_up(broken),
            ConnectionSetupRequestErrorKind::DbError(error, says) => {
                matches!(error, DbError::IsBootstrapping | DbError::Overloaded)
                    || cannot_look_up(says)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether a server that lets nobody in cannot find out who may log in: too few of its nodes are there.
fn cannot_look_up(says: &str) -> bool {
    says.starts_with("Unable to perform authentication")
}

fn has_hung_up(broken: &BrokenConnectionError) -> bool {
    use BrokenConnectionErrorKind::{ChannelError, FrameHeaderParseError as Unread, WriteError};
    matches!(
        broken.downcast_ref(),
        Some(
            WriteError(_)
                | ChannelError
                | Unread(
                    FrameHeaderParseError::HeaderIoError(_)
                        | FrameHeaderParseError::BodyChunkIoError(..)
                        | FrameHeaderParseError::ConnectionClosed(..)
                )
        )
    )
}

/// Whether it is clear which datacentre's quorum is meant: where there is none of that name no node would be
/// asked, and the driver says no more than that; where there are several, hubs that ask nodes of different ones would
/// not see each other's writes.
fn check_datacenter(wanted: Option<&str>, there: &BTreeSet<&str>) -> Result<(), OpenError> {
    let list = || Vec::from_iter(there.iter().copied()).join(", ");
    match wanted {
        Some(wanted) if !there.contains(wanted) => Err(OpenError::NoDatacenter {
            wanted: wanted.to_owned(),
            there: list(),
        }),
        None if there.len() > 1 => Err(OpenError::ManyDatacenters(list())),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_is_told_from_one_that_the_server_cannot_look_up() {
        assert!(!cannot_look_up(
            "Provided username hub and/or password are incorrect"
        ));
        assert!(cannot_look_up(
            "Unable to perform authentication: Cannot achieve consistency level LOCAL_ONE"
        ));
    }

    #[test]
    fn it_must_be_clear_whose_quorum_is_meant() {
        let (one, two) = (
            BTreeSet::from(["north"]),
            BTreeSet::from(["north", "south"]),
        );
        assert!(check_datacenter(None, &one).is_ok());
        assert!(check_datacenter(Some("south"), &two).is_ok());
        let said = |wanted, there| check_datacenter(wanted, there).unwrap_err().to_string();
        let wrong = said(Some("North"), &two);
        assert!(wrong.contains("\"North\"; it has: north, south"), "{wrong}");
        let unclear = said(None, &two);
        assert!(unclear.contains("north, south"), "{unclear}");
    }
}
