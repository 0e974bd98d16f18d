//! The report: Markdown tables.

use super::corpora::Prepared;
use super::measure::Cost;
use std::fmt::Write;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the corpus.
    pub corpus: String,
    /// The work.
    pub work: String,
    /// Number of threads.
    pub threads: usize,
    /// Medians of wimforge.
    pub ours: Cost,
    /// Medians of wimlib.
    pub theirs: Cost,
}

/// The table of corpora.
#[must_use]
pub fn corpora(corpora: &[(String, String, Prepared)]) -> String {
    let mut text = "| corpus | files | bytes | what |\n|---|---:|---:|---|\n".to_owned();
    for (name, description, prepared) in corpora {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {description} |",
            prepared.files, prepared.bytes
        );
    }
    text
}

/// The table of results. Ratios are wimforge's figure divided by wimlib's: below 1 is better.
#[must_use]
pub fn results(rows: &[Row]) -> String {
    let mut text = "| corpus | work | threads | CPU s | wimlib | ratio | wall s | wimlib | ratio \
                    | size MB | wimlib | ratio | memory MiB | wimlib | ratio |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for row in rows {
        let _ = write!(text, "| {} | {} | {} |", row.corpus, row.work, row.threads);
        let (ours, theirs) = (row.ours, row.theirs);
        let pairs = [
            (ours.cpu, theirs.cpu, 1.0, 2, 2),
            (ours.wall, theirs.wall, 1.0, 2, 2),
            (ours.size, theirs.size, 1e6, 2, 4),
            (ours.memory, theirs.memory, 1_048_576.0, 0, 2),
        ];
        for (a, b, unit, digits, ratio_digits) in pairs {
            if b == 0.0 {
                text += " – | – | – |";
            } else {
                let _ = write!(
                    text,
                    " {:.digits$} | {:.digits$} | **{:.ratio_digits$}** |",
                    a / unit,
                    b / unit,
                    a / b
                );
            }
        }
        text.push('\n');
    }
    text
}
