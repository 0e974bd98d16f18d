//! Standard input, output and error.

use std::io;

use wasip2::io::streams::{InputStream, OutputStream};
use wimforge_command::{Bar, Console};
use wimforge_core::port::{Feed, Sink};
use wimforge_core::{Error, ErrorKind, Result};

/// Standard output and error for people.
pub struct Streams;

impl Console for Streams {
    fn out(&self, text: &[u8]) -> io::Result<()> {
        let mut out = wasip2::cli::stdout::get_stdout();
        write_all(&mut out, text)
    }

    fn err(&self, text: &str) {
        complain(text);
    }

    fn bar(&self) -> Option<&dyn Bar> {
        None
    }
}

/// Writes to standard error, as far as that is possible.
pub fn complain(text: &str) {
    let mut err = wasip2::cli::stderr::get_stderr();
    let _ = write_all(&mut err, text.as_bytes());
}

/// A stream that was closed takes no bytes; whoever was reading has gone away then.
fn write_all(stream: &mut OutputStream, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match io::Write::write(stream, data)? {
            0 => return Err(io::ErrorKind::BrokenPipe.into()),
            size => data = data.get(size..).unwrap_or_default(),
        }
    }
    io::Write::flush(stream)
}

/// Standard input as data.
pub struct Input(InputStream);

/// Standard output as a place for data.
pub struct Output(OutputStream);

impl Input {
    pub fn new() -> Self {
        Self(wasip2::cli::stdin::get_stdin())
    }
}

impl Output {
    pub fn new() -> Self {
        Self(wasip2::cli::stdout::get_stdout())
    }
}

impl Feed for Input {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = io::Read::read(&mut self.0, buffer);
        read.map_err(|error| {
            Error::new(ErrorKind::Read, "cannot read from standard input").because(error)
        })
    }
}

impl Sink for Output {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        write_all(&mut self.0, data).map_err(cannot_write)
    }

    fn flush(&mut self) -> Result<()> {
        io::Write::flush(&mut self.0).map_err(cannot_write)
    }
}

fn cannot_write(error: io::Error) -> Error {
    Error::new(ErrorKind::Write, "cannot write to standard output").because(error)
}
