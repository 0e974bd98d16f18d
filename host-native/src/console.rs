//! Standard output and error, and a progress bar where a person is watching.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use wimforge_command::{Bar, Console};

/// The terminal, or what output was redirected to.
pub struct Terminal {
    bar: Option<TerminalBar>,
}

impl Default for Terminal {
    fn default() -> Self {
        let watching = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self {
            bar: watching.then(TerminalBar::default),
        }
    }
}

impl Console for Terminal {
    fn out(&self, text: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        out.flush()
    }

    fn err(&self, text: &str) {
        // There is nobody left to tell if this fails.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    fn bar(&self) -> Option<&dyn Bar> {
        self.bar.as_ref().map(|bar| bar as &dyn Bar)
    }
}

#[derive(Default)]
struct TerminalBar(Mutex<Option<ProgressBar>>);

impl Bar for TerminalBar {
    fn show(&self, label: &str, done: u64, total: u64, bytes: bool) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = slot.get_or_insert_with(|| ProgressBar::new(total));
        if bar.prefix() != label {
            bar.set_prefix(label.to_owned());
            bar.set_style(style(total, bytes));
            bar.reset();
        }
        bar.set_length(total);
        bar.set_position(done);
    }

    fn clear(&self) {
        if let Some(bar) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

fn style(total: u64, bytes: bool) -> ProgressStyle {
    let template = match (total, bytes) {
        (0, _) => "{prefix}: {human_pos}",
        (_, true) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        (_, false) => "{prefix} {wide_bar} {human_pos} of {human_len}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
