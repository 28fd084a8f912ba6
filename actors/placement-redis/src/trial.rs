//! Whether Redis will do: all that a hub needs of it is tried once, before the hub takes part. And which of its errors do
//! not mend themselves.

use placement::Away;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};

use crate::{OpenError, RedisBackend, Servers, connect::Failure};

/// What a connection is asked for first.
const TO_CONNECT: &str = "to connect";

impl RedisBackend {
    /// Tries all that a hub needs of Redis, with questions that change nothing, as far as Redis answers: where it is
    /// away, that is no error, and takes a second or so.
    ///
    /// # Errors
    /// [`OpenError`]: what somebody has to mend, and how.
    pub async fn try_out(&self) -> Result<(), OpenError> {
        let outcome = self.try_all().await;
        let explained = |(failure, what): (Failure, String)| self.explain(&failure, &what);
        outcome.err().and_then(explained).map_or(Ok(()), Err)
    }

    /// Why there is no connection, with what to do where somebody has to.
    pub(crate) fn away(&self, failure: &Failure) -> Away {
        let explained = self.explain(failure, TO_CONNECT);
        Away(explained.map_or_else(|| failure.to_string(), |error| error.to_string()))
    }

    async fn try_all(&self) -> Result<(), (Failure, String)> {
        let connector = self.line.connector();
        let to = |failure| (failure, TO_CONNECT.to_owned());
        connector.knock().await.map_err(to)?;
        let mut connection = connector.connect().await.map_err(to)?;
        for command in self.needed() {
            let asked = command.query_async::<Value>(&mut connection);
            let answer = connector.within(self.line.timeout(), asked).await;
            match answer {
                // It would be asked with the whole script then.
                Err(Failure::Error(error)) if is(&error, ServerErrorKind::NoScript) => {}
                Err(failure) => return Err((failure, words(&command))),
                Ok(_) => {}
            }
        }
        let channel = format!("{}-", self.channels());
        let (mut sink, _messages) = connector.subscriber().await.map_err(to)?.split();
        let subscribed = connector.within(self.line.timeout(), sink.subscribe(&channel));
        let subscribed = subscribed.await;
        subscribed.map_err(|failure| (failure, format!("SUBSCRIBE {channel}")))?;
        let pinged = connector.within(self.line.timeout(), sink.ping::<Value>());
        let pinged = pinged.await;
        pinged.map_err(|failure| (failure, "PING".to_owned()))?;
        Ok(())
    }

    /// All commands, with the patterns of all keys and channels. No charger has an empty name, and no process is called
    /// `-`.
    fn needed(&self) -> Vec<Cmd> {
        let claim = format!("{}:c:", self.prefix);
        let hubs = format!("{}:{{hubs}}:trial", self.prefix);
        let command = |name: &str, arguments: &[&str]| {
            let mut command = cmd(name);
            command.arg(arguments);
            command
        };
        vec![
            command("PING", &[]),
            command("TIME", &[]),
            command("INFO", &["server"]),
            command(
                "EVALSHA",
                &["0000000000000000000000000000000000000000", "0"],
            ),
            command("EVAL", &["return 1", "0"]),
            command("GET", &[&claim]),
            // Only where there is one.
            command("SET", &[&claim, "-", "XX", "PX", "1"]),
            command("DEL", &[&claim]),
            command("HGETALL", &[&hubs]),
            command("HSET", &[&hubs, "trial", "-"]),
            command("HDEL", &[&hubs, "trial"]),
            command("PUBLISH", &[&format!("{}-", self.channels()), ""]),
        ]
    }

    /// What has to be done where somebody has to do something. `what`: what was asked for.
    fn explain(&self, failure: &Failure, what: &str) -> Option<OpenError> {
        let Failure::Error(error) = failure else {
            return None;
        };
        let why = error.to_string();
        let is_single = matches!(self.servers, Servers::Single(_));
        Some(match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH" | "DENIED")) => {
                OpenError::NotLetIn(why)
            }
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => OpenError::Forbidden {
                what: what.to_owned(),
                why,
                prefix: self.prefix.clone(),
            },
            // Of the others another one may be the master in a moment.
            (ErrorKind::Server(ServerErrorKind::ReadOnly), _) if is_single => OpenError::ReadOnly,
            (ErrorKind::Server(ServerErrorKind::Moved), _) if is_single => OpenError::OneOfMany,
            (ErrorKind::Parse, _) => OpenError::NoRedis(why),
            (ErrorKind::Server(ServerErrorKind::ResponseError), _)
                if why.contains("unknown command") || why.contains("cluster support disabled") =>
            {
                OpenError::NoRedis(why)
            }
            _ => return None,
        })
    }
}

fn is(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

/// A command and its key.
fn words(command: &Cmd) -> String {
    let words = command.args_iter().take(2);
    let words = words.filter_map(|argument| match argument {
        redis::Arg::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
}
