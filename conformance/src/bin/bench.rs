//! `cargo run --release -p wimforge-conformance --bin bench -- [OPTION]…`: see `USAGE`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use wimforge_conformance::bench::corpora::Corpus;
use wimforge_conformance::bench::work::{Program, Work};
use wimforge_conformance::bench::{self, Plan, report};
use wimforge_conformance::locate;

const USAGE: &str = "\
Measures wimforge beside wimlib, in turns, and prints Markdown.

    --corpora=LIST   of A (Python, headers, Perl), B (machine code), C (50,000 small files),
                     D (incompressible), E (1 GB in 50,000 files), F (1,000,000 tiny files)
                     and directories; default A,B,C,D
    --work=LIST      of VERB:TYPE[:LEVEL][@CHUNK][+solid], VERB one of capture, verify, apply, info, dir,
                     optimize, export;
                     default capture:none,capture:xpress,capture:lzx,verify:xpress,verify:lzx,apply:lzx
    --threads=LIST   default 1
    --runs=N         of each, the medians are reported; default 5
    --dir=PATH       for corpora and archives; default target/bench (several GB)
";

const WORK: &str = "capture:none,capture:xpress,capture:lzx,verify:xpress,verify:lzx,apply:lzx";

fn main() -> ExitCode {
    match arguments().and_then(|plan| measure(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Plan, String> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    let mut plan = Plan {
        dir: target.join("bench"),
        corpora: "ABCD"
            .chars()
            .map(|c| Corpus::named(&c.to_string()))
            .collect(),
        works: works(WORK)?,
        threads: vec![1],
        runs: 5,
    };
    for arg in env::args().skip(1) {
        let (name, value) = arg.split_once('=').unwrap_or((&arg, ""));
        let number = |text: &str| {
            text.parse::<usize>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{arg:?}: {text:?} is not a positive number"))
        };
        match name {
            "--corpora" => plan.corpora = value.split(',').map(Corpus::named).collect(),
            "--work" => plan.works = works(value)?,
            "--threads" => plan.threads = value.split(',').map(number).collect::<Result<_, _>>()?,
            "--runs" => plan.runs = number(value)?,
            "--dir" => plan.dir = value.into(),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(plan)
}

fn works(list: &str) -> Result<Vec<Work>, String> {
    list.split(',').map(Work::parse).collect()
}

fn measure(plan: &Plan) -> Result<(), String> {
    let describe = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&plan.dir).map_err(describe)?;
    let wimforge = Program {
        // By wimlib's name it does exactly what wimlib does.
        path: locate::wimforge_as("wimlib-imagex"),
    };
    let wimlib = Program {
        path: locate::wimlib().ok_or("wimlib is needed to compare with")?,
    };
    println!("{}", machine(locate::wimforge(), &wimlib.path));
    let mut prepared = Vec::new();
    for corpus in &plan.corpora {
        let on_disk = corpus.prepare(&plan.dir).map_err(describe)?;
        prepared.push((corpus.name().to_owned(), corpus.description(), on_disk));
    }
    println!("{}", report::corpora(&prepared));
    let rows = bench::run(plan, &wimforge, &wimlib).map_err(describe)?;
    println!("Medians of {} runs.\n", plan.runs);
    println!("{}", report::results(&rows));
    Ok(())
}

/// Under which circumstances.
fn machine(wimforge: &Path, wimlib: &Path) -> String {
    let version = |program: &Path| {
        Command::new(program)
            .arg("--version")
            .output()
            .ok()
            .and_then(|output| {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                text.lines().next().map(str::to_owned)
            })
            .unwrap_or_else(|| "unknown version".to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches(['\t', ' ', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} beside {}, on {cores} × {model}.\n",
        version(wimforge),
        version(wimlib)
    )
}
