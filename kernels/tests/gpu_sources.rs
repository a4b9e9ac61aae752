//! Every GPU kernel compiled, without a GPU: for Ampere (sm_80) and Hopper (sm_90a), without warnings, without spills, and
//! with the registers and shared memory that `gpu_usage.txt` records.
//!
//! A change of that table is a change of the kernels: `CONSORT_BLESS=1 cargo test -p consort-kernels --test gpu_sources`
//! writes it again, to be read in the diff. Where there is no compiler (`scripts/fetch-nvrtc` gets it) nothing is tested, and
//! a line says so, unless `CONSORT_NEED_NVRTC` is set.

use kernels::cuda::{nvrtc, sources};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90a"];

#[test]
fn kernels_compile_without_warnings_or_spills_as_the_table_says() {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CONSORT_NEED_NVRTC").is_none(), "{missing}");
        return eprintln!("NOT TESTED: no GPU kernel was compiled: {missing}");
    }
    let jobs: Vec<_> =
        ARCHITECTURES.iter().flat_map(|to| sources::ALL.iter().map(move |source| (*to, *source))).collect();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(vec![String::new(); jobs.len()]));
    let work = || {
        while let Some((i, (architecture, source))) = next_of(&jobs, &next) {
            let compiled = lines_of(source, architecture);
            lines.lock().unwrap()[i] = compiled;
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let table = format!("{:<44}{:<8}{:>10}{:>8}\n", "kernel", "for", "registers", "shared")
        + &lines.into_inner().unwrap().concat();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gpu_usage.txt");
    if std::env::var_os("CONSORT_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap_or_default();
    let changed: Vec<&str> = table.lines().filter(|line| !recorded.lines().any(|old| old == *line)).collect();
    assert!(table == recorded, "not as recorded in gpu_usage.txt:\n{}", changed.join("\n"));
}

fn next_of<T: Copy>(jobs: &[T], next: &AtomicUsize) -> Option<(usize, T)> {
    let i = next.fetch_add(1, Relaxed);
    jobs.get(i).map(|job| (i, *job))
}

/// A line for every kernel of a source.
fn lines_of(source: &sources::Source, architecture: &str) -> String {
    let log = nvrtc::compile(source, architecture).unwrap_or_else(|error| panic!("{error}")).log;
    assert!(!log.contains("warning"), "{} for {architecture}:\n{log}", source.name);
    let mut lines = String::new();
    for nvrtc::Usage { kernel, registers, shared, spilled } in nvrtc::usages(&log) {
        // Division in f64 is a call, which may save a register; no kernel of ours is fast in f64.
        let most = if kernel.ends_with("_f64") { 16 } else { 0 };
        assert!(spilled <= most, "{kernel} of {} spills {spilled} bytes for {architecture}", source.name);
        writeln!(lines, "{kernel:<44}{architecture:<8}{registers:>10}{shared:>8}").unwrap();
    }
    lines
}
