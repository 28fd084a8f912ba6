//! A way from one process to another, which can be made to lead elsewhere, or be cut as a network is cut: nothing comes
//! through, and nobody is told so.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A way. It ends with the test.
pub(crate) struct Way {
    /// Where it begins, as `host:port`.
    pub(crate) address: String,
    to: watch::Sender<String>,
    is_open: watch::Sender<bool>,
}

impl Way {
    /// A way that leads to this address.
    pub(crate) fn to(address: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("it can be");
        let listener = TcpListener::from_std(listener).expect("a runtime");
        let way = Self {
            address: listener.local_addr().expect("it has one").to_string(),
            to: watch::Sender::new(address.to_owned()),
            is_open: watch::Sender::new(true),
        };
        let (leads, is_open) = (way.to.subscribe(), way.is_open.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(go(near, leads.clone(), is_open.clone()));
            }
        });
        way
    }

    /// From now on it leads to that address; who is under way on it falls off.
    pub(crate) fn leads_to(&self, address: &str) {
        self.to.send_replace(address.to_owned());
    }

    /// Nothing comes through any more, either way.
    pub(crate) fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// What was under way when it was cut goes on.
    pub(crate) fn mend(&self) {
        self.is_open.send_replace(true);
    }
}

/// A connection. It ends when one side closes, or the way leads elsewhere.
async fn go(
    near: TcpStream,
    mut leads: watch::Receiver<String>,
    mut is_open: watch::Receiver<bool>,
) {
    // Whoever holds the other end of these is gone with the test.
    let Ok(_) = is_open.wait_for(|open| *open).await else {
        return;
    };
    let address = leads.borrow_and_update().clone();
    let Ok(far) = TcpStream::connect(address).await else {
        return;
    };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = carry(near_in, far_out, is_open.clone()) => {}
        () = carry(far_in, near_out, is_open) => {}
        _ = leads.changed() => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_open: watch::Receiver<bool>,
) {
    let mut some = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut some).await;
        // Also that a side closed is not told while the way is cut.
        if is_open.wait_for(|open| *open).await.is_err() {
            return;
        }
        match read {
            Ok(0) | Err(_) => return,
            Ok(count) if to.write_all(&some[..count]).await.is_err() => return,
            Ok(_) => {}
        }
    }
}
