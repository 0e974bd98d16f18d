//! `verify`.
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
pub fn run(_: &dyn Host, _: &Invocation) -> Result<u8, Failure> { Ok(0) }
