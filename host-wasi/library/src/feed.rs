//! Feeds of the host.

use wimforge_core::port::Feed;
use wimforge_core::{ErrorKind, Result};

use crate::bindings::wimforge::imaging::feed::Input;
use crate::failure::{FromHost, fill, request};

/// A feed of the host.
pub struct HostFeed(pub Input);

impl Feed for HostFeed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let data = self.0.read(request(buffer)).or_fail(ErrorKind::Read)?;
        fill(buffer, &data)
    }
}
