//! A raw WebSocket echo server: what the transport alone costs, without JSON, actors or a store.

use std::io::{self, Read, Write};

use futures_util::{SinkExt, StreamExt};
use loadtest::small_buffers;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async_with_config;

/// Serves on a free port of 127.0.0.1, whose number it writes to stdout, until stdin is closed.
pub(crate) async fn run() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    let parent_is_gone = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0]));
    tokio::select! {
        result = accept(listener) => result,
        _ = parent_is_gone => Ok(()),
    }
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(stream: TcpStream) {
    let Ok(mut socket) = accept_async_with_config(stream, Some(small_buffers())).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}
