//! Serving the API to strangers: bounded in connections, and in the time a request's head may take.
//! (axum's own `serve` keeps a connection that says nothing for ever.)

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

/// How many connections may be open at once; the rest waits in the listen queue.
const CONNECTIONS_MOST: usize = 1024;
/// How long the head of a request may take, and so how long an idle connection is kept.
const HEAD_MOST: Duration = Duration::from_secs(15);

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MOST));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MOST);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(%error, "a connection to the API could not be accepted; raise the limit of open files (ulimit -n)");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        tokio::spawn(async move {
            // A peer that breaks off or dawdles ends its own connection, and that is all.
            let _ = connection.await;
            drop(place);
        });
    }
}
