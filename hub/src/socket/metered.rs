//! A connection that follows the WebSocket frames that are read from it. The WebSocket library shows
//! messages only when they are complete; its task has to know more:
//! - whether a message is under way, which must end some time;
//! - whether the library's buffer is empty, so that it can be renewed after a message that made it large.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The connection.
pub(crate) struct Metered {
    stream: TcpStream,
    frames: Frames,
}

impl Metered {
    /// `behind`: what was read of it already.
    pub(crate) fn new(stream: TcpStream, behind: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.follow(behind);
        Self { stream, frames }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether a message has begun that has not ended.
    pub(crate) fn has_begun(&self) -> bool {
        self.frames.has_begun()
    }

    /// Whether nothing was read behind the message that has just come.
    pub(crate) fn has_nothing_behind(&self) -> bool {
        self.frames.ended_in_read == 1 && !self.frames.has_begun()
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = match usize::try_from(self.frames.payload_left) {
            Ok(left) if left > 0 => buffer.remaining().min(left),
            _ => buffer.remaining(),
        };
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        self.frames.follow(part.filled());
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Where in a stream of frames its reader is (RFC 6455 §5.2).
#[derive(Default)]
struct Frames {
    payload_left: u64,
    /// Bytes of the header read so far; 0 between frames and in a payload.
    head_read: u8,
    /// Bytes that it has.
    head_bytes: u8,
    /// The length is in so many bytes behind the first two.
    length_bytes: u8,
    first: u8,
    /// A data frame came that was not the last of its message.
    in_fragments: bool,
    /// How many frames ended in the last read.
    ended_in_read: u16,
}

impl Frames {
    fn follow(&mut self, mut read: &[u8]) {
        self.ended_in_read = 0;
        while let Some((&byte, rest)) = read.split_first() {
            if self.payload_left > 0 && self.head_read == 0 {
                let here = (read.len() as u64).min(self.payload_left);
                self.payload_left -= here;
                read = &read[here as usize..];
            } else {
                read = rest;
                if !self.take_head(byte) {
                    continue;
                }
            }
            if self.payload_left == 0 {
                self.end_frame();
            }
        }
    }

    /// Takes a byte of the header; whether it was the last.
    fn take_head(&mut self, byte: u8) -> bool {
        match self.head_read {
            0 => {
                self.first = byte;
                self.head_bytes = 2;
            }
            1 => {
                self.length_bytes = match byte & 0x7F {
                    126 => 2,
                    127 => 8,
                    _ => 0,
                };
                self.payload_left = match self.length_bytes {
                    0 => u64::from(byte & 0x7F),
                    _ => 0,
                };
                let mask_bytes = if byte & 0x80 == 0 { 0 } else { 4 };
                self.head_bytes = 2 + self.length_bytes + mask_bytes;
            }
            read if read < 2 + self.length_bytes => {
                self.payload_left = self.payload_left << 8 | u64::from(byte);
            }
            _ => {}
        }
        self.head_read += 1;
        let complete = self.head_read >= 2 && self.head_read == self.head_bytes;
        if complete {
            self.head_read = 0;
        }
        complete
    }

    fn end_frame(&mut self) {
        self.ended_in_read = self.ended_in_read.saturating_add(1);
        let (is_last, is_control) = (self.first & 0x80 != 0, self.first & 0x08 != 0);
        if !is_control {
            self.in_fragments = !is_last;
        }
    }

    fn has_begun(&self) -> bool {
        self.in_fragments || self.head_read > 0 || self.payload_left > 0
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};

    use super::*;

    const TEXT: u8 = 0x1;
    const CONTINUATION: u8 = 0x0;
    const PING: u8 = 0x9;

    /// A masked frame, as a client sends it.
    fn frame(opcode: u8, is_last: bool, payload: usize) -> Vec<u8> {
        let mut frame = vec![opcode | if is_last { 0x80 } else { 0 }];
        match payload {
            0..126 => frame.push(0x80 | payload as u8),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.resize(frame.len() + payload, 0x81);
        frame
    }

    #[test]
    fn a_message_is_under_way_from_its_first_byte_to_its_last() {
        for payload in [0, 1, 125, 126, 65_535, 65_536] {
            let bytes = frame(TEXT, true, payload);
            let mut frames = Frames::default();
            for byte in &bytes[..bytes.len() - 1] {
                frames.follow(&[*byte]);
                assert!(frames.has_begun(), "{payload}");
            }
            frames.follow(&bytes[bytes.len() - 1..]);
            assert!(!frames.has_begun(), "{payload}");
            assert_eq!(frames.ended_in_read, 1);
        }
    }

    #[test]
    fn pings_between_fragments_do_not_end_a_message() {
        let mut frames = Frames::default();
        for (part, begun) in [
            (frame(TEXT, false, 10), true),
            (frame(PING, true, 5), true),
            (frame(CONTINUATION, false, 0), true),
            (frame(PING, true, 0), true),
            (frame(CONTINUATION, true, 3), false),
            (frame(PING, true, 5), false),
        ] {
            frames.follow(&part);
            assert_eq!(frames.has_begun(), begun);
        }
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_come() {
        let seed: u64 = rand::random();
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for _ in 0..300 {
            let payload = [0, 3, 125, 126, 1000, 70_000][rng.random_range(0..6)];
            bytes.extend(frame(TEXT, true, payload));
            ends.push(bytes.len());
        }
        let mut frames = Frames::default();
        let (mut at, mut ended) = (0, 0);
        while at < bytes.len() {
            let to = (at + rng.random_range(1..2_000)).min(bytes.len());
            frames.follow(&bytes[at..to]);
            ended += usize::from(frames.ended_in_read);
            at = to;
            let passed = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(ended, passed, "seed {seed}");
            assert_eq!(frames.has_begun(), !ends.contains(&at), "seed {seed}");
        }
    }
}
