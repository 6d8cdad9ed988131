//! The agent as a process, with its log.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::place::Place;

/// A running `mailferry run` whose log is read line by line.
pub struct Agent {
    child: Child,
    log: Receiver<String>,
    heard: Vec<String>,
}

/// How long a line may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Agent {
    pub fn start(place: &Place) -> Self {
        Self::from(place.command(&["run"]))
    }

    /// Starts a command that runs the agent, perhaps in another environment.
    pub fn from(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (to_test, log) = channel();
        // Ends with the agent, or with the test.
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|line| to_test.send(line))
        });
        Self {
            child,
            log,
            heard: Vec::new(),
        }
    }

    /// Reads the log until a line contains all of these words.
    pub fn until(&mut self, words: &[&str]) -> String {
        self.until_one_of(&[words])
    }

    /// Reads the log until a line contains all words of one of these lists.
    pub fn until_one_of(&mut self, wanted: &[&[&str]]) -> String {
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else {
                panic!(
                    "it ended or fell silent before it said {wanted:?}: {:#?}",
                    self.heard
                );
            };
            self.heard.push(line.clone());
            let holds = |words: &&[&str]| words.iter().all(|word| line.contains(word));
            if wanted.iter().any(holds) {
                return line;
            }
        }
    }

    /// Asks for polls repeatedly, until a line contains one of these lists: a running poll ignores
    /// the request.
    pub fn poll_until_one_of(&mut self, wanted: &[&[&str]]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            self.signal("USR1");
            while let Ok(line) = self.log.recv_timeout(Duration::from_secs(1)) {
                self.heard.push(line.clone());
                let holds = |words: &&[&str]| words.iter().all(|word| line.contains(word));
                if wanted.iter().any(holds) {
                    return line;
                }
            }
            assert!(
                Instant::now() < until,
                "it did not say {wanted:?}: {:#?}",
                self.heard
            );
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

    /// Stops the agent; returns its exit code and its whole log.
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        self.signal("TERM");
        self.end()
    }

    /// Waits for the agent's end; returns its exit code and its whole log.
    pub fn wait(mut self) -> (Option<i32>, Vec<String>) {
        self.end()
    }

    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        self.heard.extend(self.log.iter());
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
