//! What happens, as text.
//!
//! One reporter for every command. With `--json` it writes objects ([`crate::json`]); under wimlib's names it writes the lines that wimlib writes, also
//! the ones that redraw themselves; called wimforge it redraws a bar if a person is watching and
//! writes plain lines otherwise. Warnings go to standard error in any case.

use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use wimforge_core::Error;
use wimforge_core::port::{Event, Observer, Phase, Unit};
use wimforge_core::text::Show;

use crate::host::Host;
use crate::invocation::{Invocation, Output};
use crate::json;
use crate::profile::Compat;
use crate::values::amount;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Not at all.
    Quiet,
    /// Lines that are rewritten with a carriage return.
    Wimlib,
    /// A bar.
    Bar,
    /// A line for each step.
    Plain,
    /// A JSON object for each step.
    Json,
}

/// Writes an object as a line of standard output.
pub fn print_line(host: &dyn Host, object: &Value) {
    // Whoever reads may go away; the work goes on.
    let _ = host.console().out(format!("{object}\n").as_bytes());
}

/// Tells the user what happens.
pub struct Reporter<'a> {
    host: &'a dyn Host,
    command: &'static str,
    compat: Compat,
    style: Style,
    verbose: bool,
    /// Information goes to standard error, because data goes to standard output.
    to_stderr: bool,
    open_line: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Percentage and phase that were shown last.
    shown: Option<(Phase, u64)>,
    /// The file that is being compared with its integrity table.
    verified: String,
    skipped: Vec<String>,
    excluded: u64,
}

impl<'a> Reporter<'a> {
    /// For a command.
    #[must_use]
    pub fn new(host: &'a dyn Host, invocation: &Invocation) -> Self {
        let style = match (invocation.quiet, invocation.output, invocation.compat) {
            (true, Output::Text, _) => Style::Quiet,
            (_, Output::Json, _) => Style::Json,
            (false, _, Compat::Wimlib) => Style::Wimlib,
            (false, _, Compat::Seed) if host.console().bar().is_some() => Style::Bar,
            (false, _, Compat::Seed) => Style::Plain,
        };
        Self {
            host,
            command: invocation.verb,
            compat: invocation.compat,
            style,
            verbose: false,
            to_stderr: false,
            open_line: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Also names everything that is visited.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Information goes to standard error.
    #[must_use]
    pub fn on_stderr(self) -> Self {
        self.aside(true)
    }

    /// Information goes to standard error if data goes to standard output.
    #[must_use]
    pub fn aside(mut self, data_on_stdout: bool) -> Self {
        self.to_stderr |= data_on_stdout;
        self
    }

    /// A line of information.
    pub fn line(&self, text: &str) {
        match self.style {
            Style::Quiet => {}
            Style::Json => self.object(&json::message(text)),
            _ => {
                self.end_line();
                self.write(&format!("{text}\n"));
            }
        }
    }

    /// A line that wimlib does not write, so under its names it is not written.
    pub fn detail(&self, text: &str) {
        if !matches!(self.style, Style::Wimlib | Style::Json) {
            self.line(text);
        }
    }

    /// What came of the command, for `--json`: the members of an object.
    pub fn result(&self, members: Value) {
        if self.style == Style::Json {
            self.object(&json::result(self.command, members));
        }
    }

    fn object(&self, object: &Value) {
        self.write(&format!("{object}\n"));
    }

    /// A warning.
    pub fn warning(&self, text: &str) {
        self.end_line();
        let console = self.host.console();
        match self.style {
            Style::Json => self.object(&json::warning(text)),
            Style::Wimlib => console.err(&format!(
                "\r[WARNING] {}\n",
                text.replace('\n', "\n          ")
            )),
            _ => console.err(&format!("WARNING: {}\n", text.replace('\n', "\n         "))),
        }
    }

    /// A warning that wimlib does not write, so under its names it is not written.
    pub fn caution(&self, text: &str) {
        if self.compat == Compat::Seed {
            self.warning(text);
        }
    }

    /// Takes the bar away or ends a line that was being rewritten.
    pub fn end_line(&self) {
        if let (Style::Bar, Some(bar)) = (self.style, self.host.console().bar()) {
            bar.clear();
        }
        if self.open_line.swap(false, Ordering::Relaxed) {
            self.write("\n");
        }
    }

    /// How many paths were left out because of patterns.
    #[must_use]
    pub fn excluded(&self) -> u64 {
        self.with_state(|state| state.excluded)
    }

    /// Files that were left out because they could not be read, each with the cause.
    #[must_use]
    pub fn skipped(&self) -> Vec<String> {
        self.with_state(|state| state.skipped.clone())
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn write(&self, text: &str) {
        let console = self.host.console();
        if self.to_stderr {
            console.err(text);
        } else {
            // Whoever reads the progress may go away; the work goes on.
            let _ = console.out(text.as_bytes());
        }
    }

    /// Rewrites the current line.
    fn rewrite(&self, text: &str) {
        self.write(&format!("\r{text}"));
        self.open_line.store(true, Ordering::Relaxed);
    }

    fn progress(&self, phase: Phase, unit: Unit, done: u64, total: u64) {
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        match self.style {
            Style::Quiet | Style::Json => {}
            Style::Bar => {
                if let Some(bar) = self.host.console().bar() {
                    bar.show(&self.label(phase), done, total, unit == Unit::Bytes);
                }
            }
            Style::Wimlib if phase == Phase::VerifyMetadata => {
                self.line(&format!("Verifying metadata for image {done} of {total}"));
            }
            Style::Wimlib => {
                let new = self.with_state(|state| {
                    state.shown.replace((phase, percent)) != Some((phase, percent))
                });
                if new {
                    self.rewrite(&self.wimlib_line(phase, unit, done, total, percent));
                }
                if done == total && total > 0 && new {
                    self.end_line();
                }
            }
            Style::Plain => self.plain_progress(phase, unit, done, total, percent),
        }
    }

    /// A line at every tenth part of work that is large.
    fn plain_progress(&self, phase: Phase, unit: Unit, done: u64, total: u64, percent: u64) {
        const LARGE: u64 = 256 << 20;
        if unit != Unit::Bytes || total < LARGE {
            return;
        }
        let tenth = percent / 10;
        let new = self.with_state(|state| {
            let before = state.shown;
            state.shown = Some((phase, tenth));
            before.is_some_and(|(shown, last)| shown == phase && last != tenth)
        });
        if new {
            let (done, total) = (amount(done, total), amount(total, total));
            let label = self.label(phase);
            self.line(&format!("{label}: {done} of {total} ({percent}%)"));
        }
    }

    fn label(&self, phase: Phase) -> Cow<'static, str> {
        let label = match phase {
            Phase::Scan => "Scanning",
            Phase::Hash => "Hashing file data",
            Phase::Write => "Archiving file data",
            Phase::Integrity => "Calculating integrity table for WIM",
            Phase::VerifyIntegrity => {
                let file = self.with_state(|state| state.verified.clone());
                return format!("Verifying integrity of \"{file}\"").into();
            }
            Phase::VerifyMetadata => "Verifying metadata",
            Phase::VerifyData => "Verifying file data",
            Phase::CreateFiles => "Creating files",
            Phase::ExtractData => "Extracting file data",
            Phase::ApplyMetadata => "Applying metadata to files",
        };
        label.into()
    }

    fn wimlib_line(&self, phase: Phase, unit: Unit, done: u64, total: u64, percent: u64) -> String {
        let (done, total) = match unit {
            Unit::Items => (done.to_string(), total.to_string()),
            Unit::Bytes => (amount(done, total), amount(total, total)),
        };
        let label = self.label(phase);
        format!("{label}: {done} of {total} ({percent}%) done")
    }
}

impl Observer for Reporter<'_> {
    fn event(&self, event: &Event<'_>) {
        if let Event::Excluded { .. } = event {
            self.with_state(|state| state.excluded += 1);
        }
        if self.style == Style::Json {
            return self.json_event(event);
        }
        match event {
            Event::Progress {
                phase,
                unit,
                done,
                total,
            } => self.progress(*phase, *unit, *done, *total),
            Event::Finished { .. } => self.end_line(),
            Event::VerifyBegin { file } => self.with_state(|state| {
                (*file).clone_into(&mut state.verified);
                state.shown = None;
            }),
            Event::ScanBegin { source, target: [] } => {
                self.line(&format!("Scanning \"{source}\""));
            }
            Event::ScanBegin { source, target } => {
                let target = Show(target);
                self.line(&format!(
                    "Scanning \"{source}\" (loading as WIM path: \"{target}\")..."
                ));
            }
            Event::Scanned {
                bytes,
                files,
                directories,
            } => self.scanned(*bytes, *files, *directories),
            Event::Visit { path } if self.verbose => {
                self.line(&format!("Scanning \"{}\"", Show(path)));
            }
            Event::Excluded { path } => {
                self.line(&format!("Excluding \"{}\" from capture", Show(path)));
            }
            Event::Unsupported { path, what } => {
                let path = Show(path);
                match self.style {
                    Style::Wimlib => self.line(&format!(
                        "WARNING: Excluding unsupported file or directory\n         \"{path}\" from capture"
                    )),
                    _ => self.warning(&format!("leaving out \"{path}\": {what}")),
                }
            }
            Event::LinkAdjusted { path } => {
                let path = Show(path);
                match self.style {
                    Style::Wimlib => self.line(&format!(
                        "WARNING: Adjusted target of absolute symbolic link \"{path}\"\n           \
                         (Use --norpfix to capture absolute symbolic links as-is)"
                    )),
                    _ if self.verbose => self.line(&format!(
                        "Link \"{path}\" made relative to the root of the image"
                    )),
                    _ => {}
                }
            }
            Event::LinkOutside { path, target } => self.warning(&format!(
                "leaving out the symbolic link \"{}\": its absolute target \"{}\" lies outside of \
                 the tree\n(--outside-links=keep or --norpfix keeps such links)",
                Show(path),
                Show(target)
            )),
            Event::Replaced { path } => {
                self.line(&format!("Updating \"{}\" in WIM image", Show(path)));
            }
            Event::Compressing { format, threads } => {
                let plural = if *threads == 1 { "" } else { "s" };
                self.line(&format!(
                    "Using {format} compression with {threads} thread{plural}"
                ));
            }
            Event::Skipped { path, error } => {
                self.warning(&format!("left out: {error}"));
                self.note_skipped(path, error);
            }
            Event::Warning(text) => self.warning(text),
            Event::Remark(text) if self.host.variable("WIMLIB_DEBUG_XML_INFO").is_some() => {
                self.warning(text);
            }
            _ => {}
        }
    }

    fn cancelled(&self) -> bool {
        self.host.cancelled()
    }
}

impl Reporter<'_> {
    fn json_event(&self, event: &Event<'_>) {
        let wanted = match event {
            Event::Visit { .. } => self.verbose,
            // One object for each percent is enough.
            Event::Progress {
                phase, done, total, ..
            } => {
                let now = (*phase, (done * 100).checked_div(*total).unwrap_or(0));
                self.with_state(|state| state.shown.replace(now) != Some(now))
            }
            _ => true,
        };
        if let Event::Skipped { path, error } = event {
            self.note_skipped(path, error);
        }
        if let Some(object) = json::event(event).filter(|_| wanted) {
            self.object(&object);
        }
    }

    fn note_skipped(&self, path: &[u8], error: &Error) {
        let path = Show(path).to_string();
        let text = error.to_string();
        let text = if text.contains(&path) {
            text
        } else {
            format!("{path}: {text}")
        };
        self.with_state(|state| state.skipped.push(text));
    }

    fn scanned(&self, bytes: u64, files: u64, directories: u64) {
        match self.style {
            Style::Quiet | Style::Plain | Style::Json => {}
            Style::Bar => {
                if let Some(bar) = self.host.console().bar() {
                    bar.show("Scanning, files found", files + directories, 0, false);
                }
            }
            Style::Wimlib => {
                let amount = amount(bytes, bytes);
                self.rewrite(&format!(
                    "{amount} scanned ({files} files, {directories} directories)    "
                ));
            }
        }
    }
}
