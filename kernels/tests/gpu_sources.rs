//! Every GPU kernel compiled, without a GPU: for Ampere (sm_80) and Hopper (sm_90a), without warnings, without spills, with
//! the registers and shared memory that `gpu_usage.txt` records, and with the instructions that they were written for.
//!
//! A change of that table is a change of the kernels: `CONSORT_BLESS=1 cargo test -p consort-kernels --test gpu_sources`
//! writes it again, to be read in the diff. Where there is no compiler (`scripts/fetch-nvrtc` gets it) nothing is tested, and
//! a line says so, unless `CONSORT_NEED_NVRTC` is set.

use kernels::cuda::{nvrtc, sources};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90a"];

/// What the machine code of a source for Hopper must hold: products by warpgroups and by warps, loads of fragments, tiles by
/// the TMA unit, copies and accesses of 16 bytes.
const INSTRUCTIONS: [(&str, &[&str]); 9] = [
    ("matmul_v2.cu", &["HMMA", "LDSM", "LDGSTS.E.BYPASS.128", "LDS.128"]),
    ("matmul_v3.cu", &["HGMMA", "UTMALDG", "STG.E.128"]),
    ("conv_v2.cu", &["HMMA", "LDSM", "LDGSTS.E.BYPASS.128", "LDS.128"]),
    ("conv_v3.cu", &["HGMMA", "UTMALDG", "LDGSTS.E.BYPASS.128", "STG.E.128"]),
    ("attention_v2_forward.cu", &["HMMA", "LDSM", "LDGSTS.E.BYPASS.128"]),
    ("combine.cu", &["LDG.E.128", "STG.E.128"]),
    ("copy.cu", &["LDG.E.128", "STG.E.128"]),
    ("group_norm_forward.cu", &["LDGSTS.E.BYPASS.128", "STG.E.128"]),
    ("softmax.cu", &["LDG.E.128", "STG.E.128"]),
];

#[test]
fn kernels_compile_without_warnings_or_spills_as_the_table_says() {
    if let Err(missing) = nvrtc::version() {
        assert!(std::env::var_os("CONSORT_NEED_NVRTC").is_none(), "{missing}");
        return eprintln!("NOT TESTED: no GPU kernel was compiled: {missing}");
    }
    for (name, _) in INSTRUCTIONS {
        assert!(sources::ALL.iter().any(|source| source.name == name), "{name} is no source");
    }
    // The compiler does one thing at a time, whatever the threads: a process for each architecture.
    let folder = tempfile::tempdir().unwrap();
    let children = ARCHITECTURES.map(|architecture| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "one_architecture", "--nocapture"]).env(ARCHITECTURE, architecture);
        command.env(RESULT, folder.path().join(architecture)).stdout(std::process::Stdio::null()).spawn().unwrap()
    });
    let mut table = format!("{:<44}{:<8}{:>10}{:>8}\n", "kernel", "for", "registers", "shared");
    for (mut child, architecture) in children.into_iter().zip(ARCHITECTURES) {
        assert!(child.wait().unwrap().success(), "not all kernels compile for {architecture} as they must");
        table += &std::fs::read_to_string(folder.path().join(architecture)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gpu_usage.txt");
    if std::env::var_os("CONSORT_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap_or_default();
    let changed: Vec<&str> = table.lines().filter(|line| !recorded.lines().any(|old| is_alike(line, old))).collect();
    let is_whole = table.lines().count() == recorded.lines().count();
    assert!(is_whole && changed.is_empty(), "not as recorded in gpu_usage.txt:\n{}", changed.join("\n"));
}

/// Whether two lines say the same of a kernel, to within 8 registers: the compiler does not always give it as many (once 121,
/// and always 125 elsewhere).
fn is_alike(line: &str, other: &str) -> bool {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (line, other) = (words(line), words(other));
    let registers = |line: &[String]| line.get(2).and_then(|count| count.parse::<i32>().ok());
    let is_near = match (registers(&line), registers(&other)) {
        (Some(a), Some(b)) => (a - b).abs() <= 8,
        (a, b) => a == b,
    };
    is_near && line.len() == other.len() && (0..line.len()).all(|i| i == 2 || line[i] == other[i])
}

/// The environment of a child: what to compile for, and the file for its part of the table.
const ARCHITECTURE: &str = "GPU_SOURCES_ARCHITECTURE";
const RESULT: &str = "GPU_SOURCES_RESULT";

#[test]
fn one_architecture() {
    let (Ok(architecture), Ok(result)) = (std::env::var(ARCHITECTURE), std::env::var(RESULT)) else { return };
    let lines: String = sources::ALL.iter().map(|source| lines_of(source, &architecture)).collect();
    std::fs::write(result, lines).unwrap();
}

/// A line for every kernel of a source.
fn lines_of(source: &sources::Source, architecture: &str) -> String {
    let nvrtc::Compiled { image, log } = nvrtc::compile(source, architecture).unwrap_or_else(|error| panic!("{error}"));
    if let Some((_, wanted)) = INSTRUCTIONS.iter().find(|(name, _)| *name == source.name && architecture == "sm_90a") {
        check_instructions(source.name, &image, wanted);
    }
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

fn check_instructions(name: &str, image: &[u8], wanted: &[&str]) {
    let tools = cache_folder().join("cu13/nvidia/cu13/bin");
    if !tools.join("cuobjdump").exists() {
        assert!(std::env::var_os("CONSORT_NEED_NVRTC").is_none(), "there is no cuobjdump in {}", tools.display());
        return eprintln!("NOT TESTED: nothing shows the machine code of {name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kernels.cubin");
    std::fs::write(&file, image).unwrap();
    // It calls nvdisasm, which it looks for in the path.
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let shown = Command::new(tools.join("cuobjdump")).arg("--dump-sass").arg(&file).env("PATH", path).output().unwrap();
    let code = String::from_utf8_lossy(&shown.stdout);
    for instruction in wanted {
        assert!(code.contains(instruction), "{name} has no {instruction}");
    }
}

/// Where `scripts/fetch-nvrtc` puts the tools.
fn cache_folder() -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("CONSORT_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("consort")))
        .unwrap_or_else(|| of("HOME").unwrap_or_default().join(".cache/consort"))
}
