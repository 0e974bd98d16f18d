//! What an image of Windows says of it in the XML data, compared with what wimlib says.

use crate::support::{Source, both};
use std::fs;
use std::path::Path;
use std::process::Command;
use wimforge_conformance::hive::{Item, Lists, Names, hive, key, number, path, program, text};
use wimforge_conformance::hive::{software, system};
use wimforge_conformance::imaging::{Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::Tree;

/// A tree with these files, `None` where there is none.
pub struct Installation {
    directory: &'static str,
    kernel: Option<Vec<u8>>,
    software: Option<Vec<u8>>,
    system: Option<Vec<u8>>,
}

fn edition() -> Vec<Item> {
    vec![
        text("EditionID", "Professional"),
        text("ProductName", "Windows & more"),
        text("InstallationType", "Client"),
        text("CurrentBuild", "19045"),
        text("CurrentBuildNumber", "19044"),
        text("CurrentVersion", "6.3"),
        number("CurrentMajorVersionNumber", 10),
        number("CurrentMinorVersionNumber", 0),
    ]
}

impl Installation {
    pub fn new(directory: &'static str) -> Self {
        Self {
            directory,
            kernel: Some(program(0x8664)),
            software: Some(software(edition())),
            system: Some(system(&["en-US", "de-DE"], "0407")),
        }
    }

    pub fn build(&self, root: &Path) {
        let system32 = root.join(self.directory).join("System32");
        fs::create_dir_all(system32.join("config")).expect("make");
        for (name, data) in [
            ("Kernel32.DLL", &self.kernel),
            ("config/SOFTWARE", &self.software),
            ("config/system", &self.system),
        ] {
            if let Some(data) = data {
                fs::write(system32.join(name), data).expect("write");
            }
        }
    }
}

/// The XML data from the properties of the image on.
pub fn properties(imager: &Imager, wim: &Path, image: usize) -> String {
    let bytes = imager.show("info", wim, &["--xml"]).stdout().to_vec();
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect();
    let xml = String::from_utf16(&units).expect("UTF-16");
    let images = xml.split("</LASTMODIFICATIONTIME>").nth(image);
    let properties = images.expect("an image").split("</IMAGE>").next();
    properties.unwrap_or_default().to_owned()
}

#[test]
fn what_windows_says_of_itself() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let usual = || Installation::new("Windows");
    let old = [
        text("CurrentVersion", "5.1"),
        text("CurrentBuild", "1.511.1 () (Obsolete data - do not use)"),
        text("CurrentBuildNumber", "2600"),
        text("ProductName", ""),
    ];
    let odd_software = |lists, names| {
        let items = path("MICROSOFT\\windows nt\\CurrentVersion", edition());
        let others = ["A", "B", "Z"].map(|name| key(name, Vec::new()));
        hive(&[&[items][..], &others].concat(), lists, names)
    };
    let cases = [
        usual(),
        Installation {
            kernel: Some(program(0xAA64)),
            software: Some(software(old.to_vec())),
            system: Some(system(&[], "0c0a")),
            ..Installation::new("WINNT")
        },
        Installation {
            kernel: Some(program(0x1234)),
            software: None,
            ..usual()
        },
        Installation {
            kernel: None,
            software: Some(b"no hive".to_vec()),
            system: Some(system(&["x"], "unknown")),
            ..usual()
        },
        Installation {
            kernel: Some(b"MZ".to_vec()),
            software: Some(odd_software(Lists::Lf, Names::Latin)),
            ..usual()
        },
        Installation {
            software: Some(odd_software(Lists::Ri, Names::Latin)),
            system: None,
            ..usual()
        },
        Installation {
            software: Some(odd_software(Lists::Li, Names::Latin)),
            kernel: None,
            ..usual()
        },
    ];
    for (number, case) in cases.iter().enumerate() {
        let source = Source::new(&Tree::default());
        case.build(&source.path);
        let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
            let wim = source.scratch.join(format!("{imager}.wim"));
            let call = imager.capture(&source.path, &wim, &Options::default());
            call.run().ok();
            let call = imager.append(&source.path, &wim, "second", &Options::default());
            let more = ["--image-property=WINDOWS/Q=1", "--flags=Pro"];
            call.args(more).run().ok();
            [1, 2].map(|image| properties(&wimlib, &wim, image))
        });
        assert_eq!(ours, theirs, "case {number}");
        assert!(ours[0].contains("<SYSTEMROOT>WIN"), "{}", ours[0]);
    }
}

#[test]
fn windows_in_a_pipe_a_list_and_an_export() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&Tree::default());
    Installation::new("Windows").build(&source.path);
    let wim = source.scratch.join("a.wim");
    let call = wimforge.capture(&source.path, &wim, &Options::default());
    call.run().ok();
    let expected = properties(&wimlib, &wim, 1);
    assert!(expected.contains("<ARCH>9</ARCH>"), "{expected}");
    let info = |imager: &Imager| imager.show("info", &wim, &[]).out();
    let said = info(&wimforge);
    assert!(said.contains("Default Language:       de-DE"), "{said}");
    assert_eq!(info(&wimlib), said);

    let piped = source.scratch.join("piped.wim");
    let call = wimforge.call(["capture", "--pipable"]).arg(&source.path);
    call.arg(&piped).run().ok();
    assert_eq!(properties(&wimlib, &piped, 1), expected);

    let list = source.scratch.join("list");
    let line = format!("'{}' /\n", source.path.display());
    fs::write(&list, line).expect("write");
    let listed = source.scratch.join("listed.wim");
    let call = wimforge.call(["capture", "--source-list"]).arg(&list);
    call.arg(&listed).run().ok();
    assert_eq!(properties(&wimlib, &listed, 1), expected);

    let exported = source.scratch.join("exported.wim");
    let call = wimforge.call(["export"]).arg(&wim).arg("1");
    call.arg(&exported).run().ok();
    assert_eq!(properties(&wimlib, &exported, 1), expected);
}

#[test]
fn why_windows_says_nothing() {
    let wimforge = Imager::plain();
    let source = Source::new(&Tree::default());
    let broken = Installation {
        software: Some(b"no hive".to_vec()),
        ..Installation::new("Windows")
    };
    broken.build(&source.path);
    let wim = source.scratch.join("a.wim");
    let call = wimforge.capture(&source.path, &wim, &Options::default());
    assert!(!call.run().ok().err().contains("SOFTWARE"));
    let run = call.env("WIMLIB_DEBUG_XML_INFO", "1").run().ok();
    assert!(run.err().contains("SOFTWARE: not a registry hive"), "{run}");
}

/// What is made for these tests is a hive for others, too.
#[test]
fn hives_are_hives() {
    let hivexml = locate::require("hivexml", "HIVEXML_BIN", &["hivexml"], "libhivex-bin");
    let Some(hivexml) = hivexml else {
        return;
    };
    let scratch = Scratch::new();
    let file = scratch.join("hive");
    for lists in [Lists::Lf, Lists::Lh, Lists::Li, Lists::Ri] {
        for names in [Names::Latin, Names::Wide] {
            let items = path("MICROSOFT\\windows nt\\CurrentVersion", edition());
            let large = text("large", &"0123456789".repeat(2000));
            fs::write(&file, hive(&[items, large], lists, names)).expect("write");
            let output = Command::new(&hivexml).arg(&file).output().expect("run");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{lists:?} {names:?}: {said}");
            for expected in ["Windows &amp; more", "EditionID", "01234567890123456789"] {
                assert!(said.contains(expected), "{lists:?} {names:?}: {said}");
            }
        }
    }
}
