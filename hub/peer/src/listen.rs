//! Connections from other nodes, no more at once than there are places.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Stream, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tonic::transport::server::Connected;

/// How soon accepting is tried again when the system refuses (it may be out of files).
const AGAIN: Duration = Duration::from_millis(100);

/// Who says nothing for so long after the connection was accepted has no use for the place.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// A connection, and its place.
pub(crate) struct Connection {
    socket: TcpStream,
    /// Runs until something was said.
    first_word: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

/// The connections to this listener. Those for which there is no place wait in the system's queue.
pub(crate) fn incoming(
    listener: TcpListener,
    places: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(places));
    stream::unfold((listener, places), async |(listener, places)| {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await.ok()?;
        let accepted = match listener.accept().await {
            Ok((socket, _)) => socket.set_nodelay(true).map(|()| Connection {
                socket,
                first_word: Some(Box::pin(sleep(FIRST_WORD))),
                _place: place,
            }),
            Err(error) => {
                tokio::time::sleep(AGAIN).await;
                Err(error)
            }
        };
        Some((accepted, (listener, places)))
    })
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        match &mut self.first_word {
            Some(patience) if read.is_pending() => {
                ready!(patience.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            _ => {
                self.first_word = None;
                read
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
