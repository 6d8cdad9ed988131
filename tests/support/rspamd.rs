//! A real spam filter: rspamd on loopback, in a temporary directory. It ends with the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::port::{free_port, wait_for};

/// A running rspamd without rules: it knows the test message GTUBE only.
pub struct Rspamd {
    directory: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Rspamd {
    pub fn start() -> Self {
        for program in ["/usr/bin/rspamd", "/usr/bin/rspamc"] {
            assert!(
                Path::new(program).exists(),
                "{program} is missing: run contrib/setup test, and tests by contrib/with-servers"
            );
        }
        let directory = tempfile::tempdir().unwrap();
        let (here, port) = (directory.path().display(), free_port());
        let configuration = format!(
            "options {{\n  filters = \"\";\n  disable_hyperscan = true;\n  \
             pidfile = \"{here}/pid\";\n  cache_file = \"{here}/map.cache\";\n  \
             hs_cache_dir = \"{here}\";\n  tempdir = \"{here}\";\n  \
             dns {{ timeout = 1s; nameserver = [\"127.0.0.1:1\"]; }}\n}}\n\
             logging {{ type = \"file\"; filename = \"{here}/log\"; level = \"warning\"; }}\n\
             actions {{ reject = 15; add_header = 6; }}\n\
             group \"none\" {{ symbols = {{}} }}\n\
             worker \"normal\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; }}\n"
        );
        std::fs::write(directory.path().join("conf"), configuration).unwrap();
        let child = Command::new("/usr/bin/rspamd")
            .args(["-f", "--insecure", "-c"])
            .arg(directory.path().join("conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let rspamd = Self {
            directory,
            child,
            port,
        };
        let check = |is_early: bool| assert!(is_early, "no rspamd: {}", rspamd.log());
        wait_for(port, 120, check);
        rspamd
    }

    /// Its address, as `rspamc -h` wants it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        // Its workers end with it.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
