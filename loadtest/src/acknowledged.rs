//! The file of acknowledged transaction messages: what the central system has promised to know for ever.
//!
//! One JSON object a line: `{"station":"SIM-000007","action":"StartTransaction","payload":{…},"answer":{…}}`, payload and
//! answer as they went over the socket. Compare it with the central system's store after the run.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;

/// A file that grows with each acknowledged message.
#[derive(Debug)]
pub(crate) struct AcknowledgedFile(BufWriter<File>);

#[derive(Serialize)]
struct Line<'a> {
    station: &'a str,
    action: &'a str,
    payload: &'a RawValue,
    answer: &'a RawValue,
}

impl AcknowledgedFile {
    /// A new file; an old one of this name is emptied.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    /// Writes one message; `payload` and `answer` are JSON text.
    pub(crate) fn write(
        &mut self,
        station: &str,
        action: &str,
        payload: &str,
        answer: &str,
    ) -> io::Result<()> {
        let line = Line {
            station,
            action,
            payload: serde_json::from_str(payload)?,
            answer: serde_json::from_str(answer)?,
        };
        serde_json::to_writer(&mut self.0, &line)?;
        self.0.write_all(b"\n")
    }

    /// Writes what is still in memory.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.0.flush()
    }
}
