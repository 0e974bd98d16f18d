//! Capture configurations: what is left out of an image.

use std::path::Path;

use wimforge_core::scan::config::CaptureConfig;
use wimforge_core::{Error, ErrorKind, Result};

use super::archive;
use crate::host::Host;
use crate::profile::Profile;
use crate::report::Reporter;

/// Most bytes of a configuration file.
const CONFIG_LIMIT: u64 = 16 << 20;

/// What is left out: as a configuration file says, or by default.
pub fn load_config(
    host: &dyn Host,
    config: Option<&Path>,
    profile: &Profile,
    reporter: &Reporter<'_>,
) -> Result<CaptureConfig> {
    let case = archive::name_case(host, reporter);
    let Some(path) = config else {
        return CaptureConfig::excluding(&profile.exclusions(), case);
    };
    let text = host.read_file(path, CONFIG_LIMIT).map_err(|error| {
        let what = format!(
            "cannot read the capture configuration \"{}\"",
            path.display()
        );
        Error::new(ErrorKind::ReadConfig, what).because(error)
    })?;
    CaptureConfig::parse(&text, &path.display().to_string(), case, &mut |warning| {
        reporter.warning(warning);
    })
}
