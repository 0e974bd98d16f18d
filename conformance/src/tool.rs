//! Running a program and looking at everything it did.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any run of a default test takes on a busy machine; a program that waits for ever is a
/// failure. `WIMFORGE_PATIENCE=SECONDS` gives the large tests more.
fn patience() -> Duration {
    let asked = std::env::var("WIMFORGE_PATIENCE").ok();
    Duration::from_secs(asked.and_then(|text| text.parse().ok()).unwrap_or(300))
}

/// A command line to be run.
#[derive(Clone, Debug)]
pub struct Call {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    patience: Duration,
}

impl Call {
    /// A call of this program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            patience: patience(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn in_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Sets how long the program may take.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same call by an unprivileged user.
    #[must_use]
    pub fn as_nobody(mut self, setpriv: &Path) -> Self {
        let mut args: Vec<OsString> = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"]
            .iter()
            .map(OsString::from)
            .collect();
        args.push(self.program.into());
        args.append(&mut self.args);
        self.program = setpriv.to_owned();
        self.args = args;
        self
    }

    /// The command in a neutral environment: English, UTC, nothing that changes what the programs do.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        for name in [
            "SOURCE_DATE_EPOCH",
            "POSIXLY_CORRECT",
            "WIMLIB_IMAGEX_IGNORE_CASE",
            "RUST_BACKTRACE",
            "COLUMNS",
        ] {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// What one would type, for messages.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        for (name, value) in &self.env {
            line += &format!("{}={} ", name.to_string_lossy(), value.to_string_lossy());
        }
        line += &self.program.to_string_lossy();
        for arg in &self.args {
            line.push(' ');
            let arg = arg.to_string_lossy();
            if arg.is_empty() || arg.contains([' ', '\n', '"']) {
                line += &format!("{arg:?}");
            } else {
                line += &arg;
            }
        }
        line
    }

    /// Starts it without waiting; its output is dropped. For tests that interrupt it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(&self) -> Child {
        self.command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.line()))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started, exceeds its time, dies by a signal or panics: no input may cause that.
    #[must_use]
    pub fn run(&self) -> Run {
        self.run_fed(&[])
    }

    /// Runs it with these bytes as standard input.
    ///
    /// # Panics
    /// As [`Call::run`].
    #[must_use]
    pub fn run_fed(&self, input: &[u8]) -> Run {
        let started = Instant::now();
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.line()));
        let stdin = child.stdin.take();
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let fed = thread::scope(|scope| {
            if let Some(mut pipe) = stdin {
                // A program that does not want its input may close the pipe.
                scope.spawn(move || drop(pipe.write_all(input)));
            }
            let receive = |channel: &mpsc::Receiver<Vec<u8>>| {
                channel.recv_timeout(self.patience.saturating_sub(started.elapsed()))
            };
            let out = receive(&stdout);
            let err = receive(&stderr);
            if out.is_err() || err.is_err() {
                drop(child.kill());
            }
            (out, err)
        });
        let status = child.wait().expect("wait for a child");
        let (Ok(stdout), Ok(stderr)) = fed else {
            panic!("did not end within {:?}: {}", self.patience, self.line());
        };
        let run = Run {
            line: self.line(),
            status,
            stdout,
            stderr,
            elapsed: started.elapsed(),
        };
        run.check_sane();
        run
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            drop(pipe.read_to_end(&mut bytes));
        }
        drop(sender.send(bytes));
    });
    receiver
}

/// What a program did.
#[derive(Clone, Debug)]
pub struct Run {
    line: String,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    elapsed: Duration,
}

impl Run {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Whether it said that it succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Standard output.
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// How long it took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    fn check_sane(&self) {
        if let Some(signal) = self.status.signal() {
            panic!("died by signal {signal}: {self}");
        }
        assert!(
            !self.err().contains("panicked at"),
            "the program panicked: {self}"
        );
    }

    /// Asserts success.
    ///
    /// # Panics
    /// If it failed.
    #[track_caller]
    #[allow(clippy::must_use_candidate)]
    pub fn ok(self) -> Self {
        assert!(self.succeeded(), "failed: {self}");
        self
    }

    /// Asserts failure with a message on standard error.
    ///
    /// # Panics
    /// If it succeeded, or failed in silence.
    #[track_caller]
    #[allow(clippy::must_use_candidate)]
    pub fn refused(self) -> Self {
        assert!(!self.succeeded(), "should have failed: {self}");
        assert!(
            self.err().chars().any(char::is_alphabetic),
            "failed in silence: {self}"
        );
        self
    }

    /// Asserts failure with this exit code and a message that contains all these texts.
    ///
    /// # Panics
    /// If it did not fail so.
    #[track_caller]
    #[allow(clippy::must_use_candidate)]
    pub fn refused_with(self, code: i32, texts: &[&str]) -> Self {
        let this = self.refused();
        assert_eq!(this.code(), code, "another exit code was expected: {this}");
        for text in texts {
            assert!(
                this.err().contains(text),
                "the message should contain {text:?}: {this}"
            );
        }
        this
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.line)?;
        writeln!(f, "  {} after {:?}", self.status, self.elapsed)?;
        for (title, text) in [("stdout", self.out()), ("stderr", self.err())] {
            let text = text.replace('\r', "\n");
            let lines: Vec<&str> = text.lines().collect();
            let skipped = lines.len().saturating_sub(40);
            if !lines.is_empty() {
                writeln!(f, "  {title}:")?;
            }
            if skipped > 0 {
                writeln!(f, "    … {skipped} lines")?;
            }
            for line in &lines[skipped..] {
                writeln!(f, "    {line}")?;
            }
        }
        Ok(())
    }
}
