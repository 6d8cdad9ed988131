//! Replays the corpus of the fuzzers: inputs that were once interesting must keep their properties.

use std::path::Path;

use crate::support::fuzzed::TARGETS;

/// Holds CVE-2003-0790 and CVE-2003-0792.
#[test]
fn every_input_of_the_corpus_keeps_what_its_target_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/fuzz");
    for (name, target) in TARGETS {
        let files = std::fs::read_dir(corpus.join(name)).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(path).unwrap());
            count += 1;
        }
        assert!(count >= 5, "{name} has {count} inputs");
    }
}

#[test]
fn every_target_has_a_fuzzer() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
