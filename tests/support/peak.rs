//! Measures the memory of the program.

use super::place::Place;

/// Polls, and returns the peak memory of the child process in KiB, measured like GNU time:
/// `getrusage` of one child.
pub fn poll_with_peak(place: &Place) -> (Option<i32>, String, u64) {
    let program = place.command(&["poll"]);
    let report = place.path("peak");
    let output = std::process::Command::new("/usr/bin/python3")
        .args(["-c", PEAK, report.to_str().unwrap()])
        .arg(program.get_program())
        .args(program.get_args())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let peak = std::fs::read_to_string(report).unwrap();
    (output.status.code(), said, peak.trim().parse().unwrap())
}

const PEAK: &str = "import os, resource, subprocess, sys\n\
    code = subprocess.call(sys.argv[2:])\n\
    open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n\
    sys.exit(code)";
