//! The benchmark beside wimlib.
//!
//! Both programs do the same work on the same corpora, in turns, so that whatever else the machine
//! does meets both. Reported are medians. What is measured is in [`measure`], on what in
//! [`corpora`], what for in [`work`].

pub mod corpora;
pub mod measure;
pub mod report;
pub mod work;

use corpora::Corpus;
use measure::Cost;
use report::Row;
use std::io;
use std::path::PathBuf;
use work::{Program, Work};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where corpora are kept and archives are made.
    pub dir: PathBuf,
    /// On what.
    pub corpora: Vec<Corpus>,
    /// Which work.
    pub works: Vec<Work>,
    /// With how many threads; each number gives rows of its own.
    pub threads: Vec<usize>,
    /// How often.
    pub runs: usize,
}

/// Carries out the plan. Says on standard error what it does.
///
/// # Errors
/// If a program fails or a file cannot be read or written.
pub fn run(plan: &Plan, wimforge: &Program, wimlib: &Program) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for corpus in &plan.corpora {
        let source = corpus.prepare(&plan.dir)?;
        source.warm()?;
        for work in &plan.works {
            for &threads in &plan.threads {
                eprintln!("{}: {work}, threads: {threads}", corpus.name());
                let site = work.prepare(&plan.dir, &source.path, wimlib)?;
                let mut ours: Vec<Cost> = Vec::new();
                let mut theirs: Vec<Cost> = Vec::new();
                for round in 0..plan.runs {
                    // Whoever goes second finds a warmer cache: take turns at that too.
                    if round % 2 == 0 {
                        ours.push(work.run(wimforge, &site, threads)?);
                        theirs.push(work.run(wimlib, &site, threads)?);
                    } else {
                        theirs.push(work.run(wimlib, &site, threads)?);
                        ours.push(work.run(wimforge, &site, threads)?);
                    }
                }
                site.clear()?;
                rows.push(Row {
                    corpus: corpus.name().to_owned(),
                    work: work.to_string(),
                    threads,
                    ours: Cost::median(&ours),
                    theirs: Cost::median(&theirs),
                });
            }
        }
    }
    Ok(rows)
}
