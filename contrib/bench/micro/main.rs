//! Micro-benchmarks: `cargo bench --bench micro`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use mailferry::agent::SystemClock;
use mailferry::seen::{DurableStore, SeenStore, StateDirectory};

mod cases;

fn main() {
    divan::main();
}

/// Receiving a message: framing and dots.
#[divan::bench(args = [4 << 10, 4 << 20])]
fn unstuff(bencher: Bencher<'_, '_>, octets: usize) {
    let stream = cases::stream(octets);
    bencher
        .counter(BytesCount::new(stream.len()))
        .bench(|| cases::unstuff(&stream).unwrap());
}

/// Gathering a listing, in the order the server sends it.
#[divan::bench(args = [1000, 20_000, 100_000])]
fn listing(bencher: Bencher<'_, '_>, count: u32) {
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| cases::listing(count).unwrap());
}

/// The listing against the records.
#[divan::bench(args = [1000, 20_000, 100_000])]
fn plan(bencher: Bencher<'_, '_>, count: u32) {
    let (listing, records) = (
        cases::listing(count).unwrap(),
        cases::records(count).unwrap(),
    );
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| cases::planned(&listing, &records));
}

/// Reading the records of an account.
#[divan::bench(args = [1000, 20_000])]
fn scan(bencher: Bencher<'_, '_>, count: u32) {
    let store = Store::new();
    store.commit(1, count);
    let account = cases::batch(1, 1).unwrap().account().clone();
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| store.runtime.block_on(store.seen.scan(&account)).unwrap());
}

/// One commit of so many records to the journal, durable when it returns.
#[divan::bench(args = [1, 64], sample_count = 50)]
fn commit(bencher: Bencher<'_, '_>, count: u32) {
    let store = Store::new();
    let mut first = 1;
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        store.commit(first, count);
        first += count;
    });
}

/// A store on disk, gone with the benchmark.
struct Store {
    runtime: tokio::runtime::Runtime,
    seen: DurableStore,
    _directory: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let lock = StateDirectory::lock(&path).unwrap();
        let seen = DurableStore::open(lock, Arc::new(SystemClock)).unwrap();
        Self {
            runtime,
            seen,
            _directory: directory,
        }
    }

    fn commit(&self, first: u32, count: u32) {
        let batch = cases::batch(first, count).unwrap();
        self.runtime.block_on(self.seen.commit(batch)).unwrap();
    }
}
