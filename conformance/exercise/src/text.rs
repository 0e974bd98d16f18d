//! Text: XML data and configuration files.

use wimforge_core::Limits;
use wimforge_core::scan::CaptureConfig;
use wimforge_core::scan::glob::Case;
use wimforge_core::xml::WimXml;

/// As XML data, and as a list of exclusions.
pub fn all(data: &[u8]) {
    if let Ok(xml) = WimXml::parse(data, &Limits::default()) {
        let written = xml.encode();
        let again = WimXml::parse(&written, &Limits::default()).expect("what we wrote");
        assert!(again.encode() == written);
        for index in 1..=xml.image_count() as u32 {
            assert_eq!(xml.name(index), again.name(index));
        }
    }
    for case in [Case::Sensitive, Case::Insensitive] {
        if let Ok(config) = CaptureConfig::parse(data, "config", case, &mut |_| {}) {
            for path in [&b"/"[..], b"/a", b"/Windows/CSC", b"/a/b/c.txt", data] {
                let _ = config.excludes(path);
            }
        }
    }
}
