//! The agent as a process, with its log.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::place::Place;

/// A running `mailferry run` whose log is read line by line.
pub struct Agent {
    child: Child,
    log: BufReader<ChildStderr>,
    heard: Vec<String>,
}

impl Agent {
    pub fn start(place: &Place) -> Self {
        Self::from(place.command(&["run"]))
    }

    /// Starts a command that is an agent, in other circumstances perhaps.
    pub fn from(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            log,
            heard: Vec::new(),
        }
    }

    /// Reads the log until a line holds all of these words.
    pub fn until(&mut self, words: &[&str]) -> String {
        loop {
            let mut line = String::new();
            let octets = self.log.read_line(&mut line).unwrap();
            assert!(
                octets > 0,
                "it ended before it said {words:?}: {:#?}",
                self.heard
            );
            self.heard.push(line.clone());
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Asks it to stop and gives its exit code and all that it said.
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        self.signal("TERM");
        self.end()
    }

    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        for line in self.log.by_ref().lines() {
            self.heard.push(line.unwrap());
        }
        (
            self.child.wait().unwrap().code(),
            std::mem::take(&mut self.heard),
        )
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
