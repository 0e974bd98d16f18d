//! Sinks of the host.

use wimforge_core::port::Sink;
use wimforge_core::{ErrorKind, Result};

use crate::bindings::wimforge::imaging::sink::Output;
use crate::failure::FromHost;

/// A sink of the host.
pub struct HostSink<'a>(pub &'a Output);

impl Sink for HostSink<'_> {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.0.write(data).or_fail(ErrorKind::Write)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush().or_fail(ErrorKind::Write)
    }
}
