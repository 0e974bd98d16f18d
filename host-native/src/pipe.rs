//! Pipes: what can only be read or written in sequence.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use wimforge_core::port::{Feed, Sink};
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::failed;

/// A stream of the operating system with its name for messages.
pub(crate) struct Pipe<S> {
    stream: S,
    name: String,
}

impl<S> Pipe<S> {
    pub fn new(stream: S, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { stream, name }
    }

    fn failed(&self, kind: ErrorKind, what: &str, error: io::Error) -> Error {
        Error::new(kind, format!("cannot {what} {}", self.name)).because(error)
    }
}

impl<S: Write> Sink for Pipe<S> {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        let written = self.stream.write_all(data);
        written.map_err(|error| self.failed(ErrorKind::Write, "write to", error))
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.stream.flush();
        flushed.map_err(|error| self.failed(ErrorKind::Write, "write to", error))
    }
}

impl<S: Read> Feed for Pipe<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    return read.map_err(|error| self.failed(ErrorKind::Read, "read from", error));
                }
            }
        }
    }
}

/// Standard input. No buffer of the standard library's comes between.
pub(crate) fn stdin() -> Result<Box<dyn Feed>> {
    let pipe = standard(io::stdin().as_fd(), "standard input")?;
    Ok(Box::new(pipe))
}

/// Standard output, likewise.
pub(crate) fn stdout() -> Result<Box<dyn Sink>> {
    let pipe = standard(io::stdout().as_fd(), "standard output")?;
    Ok(Box::new(pipe))
}

fn standard(descriptor: BorrowedFd<'_>, name: &str) -> Result<Pipe<File>> {
    let owned = descriptor.try_clone_to_owned().map_err(|error| {
        Error::new(ErrorKind::Open, format!("cannot use {name}")).because(error)
    })?;
    Ok(Pipe::new(File::from(owned), name))
}

/// Opens a FIFO or character device for writing; `None` for anything else.
pub(crate) fn open_sink(path: &Path) -> Result<Option<Box<dyn Sink>>> {
    let kind = match std::fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(_) => return Ok(None),
    };
    if !kind.is_fifo() && !kind.is_char_device() {
        return Ok(None);
    }
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(|error| failed(ErrorKind::Open, "cannot open for writing", path, error))?;
    let name = format!("{:?}", path.display().to_string());
    Ok(Some(Box::new(Pipe::new(file, name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_through() {
        let mut sink = Pipe::new(Vec::new(), "a test");
        sink.write(b"abc").unwrap();
        sink.flush().unwrap();
        let mut feed = Pipe::new(sink.stream.as_slice(), "a test");
        let mut buffer = [0; 8];
        assert_eq!(feed.read(&mut buffer).unwrap(), 3);
        assert_eq!(feed.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn a_full_device_is_an_error_that_names_it() {
        let mut sink = open_sink(Path::new("/dev/full")).unwrap().unwrap();
        let error = sink.write(b"x").and_then(|()| sink.flush()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Write);
        assert!(error.to_string().contains("/dev/full"), "{error}");
        assert!(open_sink(Path::new("/")).unwrap().is_none());
    }
}
