//! The scripts, each a step that is done whole or not at all.
//!
//! A script is asked for by its hash, and sent whole where a server does not know it, to that server. (`redis::Script`
//! would have all servers of a cluster load it: while one of them is dead, none that took a dead one's place could
//! be asked.)

use redis::Cmd;

/// The scripts.
pub(crate) struct Scripts {
    pub(crate) round: Script,
    pub(crate) claim: Script,
    pub(crate) confirm: Script,
    pub(crate) release: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            round: Script::new(concat!(
                include_str!("lua/reading.lua"),
                include_str!("lua/round.lua")
            )),
            claim: Script::new(concat!(
                include_str!("lua/reading.lua"),
                include_str!("lua/claimed.lua"),
                include_str!("lua/claim.lua")
            )),
            confirm: Script::new(concat!(
                include_str!("lua/reading.lua"),
                include_str!("lua/claimed.lua"),
                include_str!("lua/confirm.lua")
            )),
            release: Script::new(concat!(
                include_str!("lua/reading.lua"),
                include_str!("lua/release.lua")
            )),
        }
    }
}

/// A script, and the hash that servers know it by.
pub(crate) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    /// A question to the server that holds these keys, which are of one slot.
    pub(crate) fn about(&self, keys: impl Into<Vec<String>>) -> Question<'_> {
        Question {
            script: self,
            keys: keys.into(),
            arguments: Vec::new(),
        }
    }
}

/// What a script is to do with what.
pub(crate) struct Question<'a> {
    script: &'a Script,
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl Question<'_> {
    /// One more argument.
    pub(crate) fn arg(&mut self, argument: impl ToString) -> &mut Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// The keys, for who has to look for what is amiss.
    pub(crate) fn keys(&self) -> String {
        self.keys.join(" ")
    }

    /// For a server that knows the script.
    pub(crate) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// For a server that does not.
    pub(crate) fn whole(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.arguments);
        command
    }
}
