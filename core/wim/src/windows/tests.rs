//! Hives that are made here, whole and damaged.

use proptest::prelude::*;

use super::hive::{Hive, HiveError};
use super::*;
use crate::port::Silent;
use crate::port::memory_source::MemorySource;
use crate::scan::{ScanOptions, Scanner};

#[allow(dead_code, reason = "only a part of it is needed here")]
#[path = "../../../../conformance/src/hive.rs"]
mod maker;

use maker::{Item, Lists, Names, key, number, text};

const FORMS: [(Lists, Names); 8] = [
    (Lists::Lf, Names::Latin),
    (Lists::Lh, Names::Latin),
    (Lists::Li, Names::Latin),
    (Lists::Ri, Names::Latin),
    (Lists::Lf, Names::Wide),
    (Lists::Lh, Names::Wide),
    (Lists::Li, Names::Wide),
    (Lists::Ri, Names::Wide),
];

/// Everything that can be asked of a hive.
fn examine(bytes: &[u8]) -> Vec<Result<String, HiveError>> {
    let mut stream = bytes;
    let mut hive = match Hive::open(&mut stream, bytes.len() as u64) {
        Ok(hive) => hive,
        Err(error) => return vec![Err(error)],
    };
    let mut all = Vec::new();
    for path in ["A\\b", "a", "A\\B\\C", "missing", "A\\\u{e9}"] {
        let key = match hive.key(path) {
            Ok(key) => key,
            Err(error) => {
                all.push(Err(error));
                continue;
            }
        };
        let names = hive.subkey_names(&key, 5);
        all.push(names.map(|names| format!("{path}: {}", names.join(" "))));
        for value in ["Text", "LARGE", "empty", "short", "number", "long"] {
            all.push(hive.text(&key, value));
            all.push(hive.number(&key, value).map(|number| number.to_string()));
        }
    }
    all
}

fn sample(lists: Lists, names: Names) -> Vec<u8> {
    let values = vec![
        text("text", "some text"),
        text("Large", &"0123456789".repeat(2000)),
        text("empty", ""),
        text("short", "x"),
        number("number", 7),
        Item::LongNumber("long".into(), 1 << 40),
        key("C", vec![]),
        key("D", vec![]),
        key("e", vec![]),
    ];
    let items = [
        key("a", vec![key("B", values), key("\u{c9}", vec![])]),
        key("z", vec![]),
    ];
    maker::hive(&items, lists, names)
}

#[test]
fn every_form_is_read() {
    for (lists, names) in FORMS {
        let found: Vec<String> = examine(&sample(lists, names))
            .into_iter()
            .flatten()
            .collect();
        let large = "0123456789".repeat(2000);
        let expected = [
            "A\\b: C D e",
            "some text",
            &large,
            "",
            "x",
            "7",
            "1099511627776",
            "a: B \u{c9}",
            "A\\B\\C: ",
            "A\\\u{e9}: ",
        ];
        assert_eq!(found, expected, "{lists:?} {names:?}");
    }
}

#[test]
fn what_is_no_hive_is_said_to_be_none() {
    let hive = sample(Lists::Lh, Names::Latin);
    let mut log = hive.clone();
    log[28] = 1;
    for bytes in [&b""[..], &hive[..4096], &log[..], &[0; 9000]] {
        let all = examine(bytes);
        assert!(matches!(&all[..], [Err(HiveError::NotHive(_))]), "{all:?}");
    }
}

#[test]
fn a_key_that_is_its_own_subkey_is_no_trap() {
    let mut hive = sample(Lists::Li, Names::Latin);
    // All lists of subkeys lead to the root.
    let root: [u8; 4] = hive[36..40].try_into().unwrap();
    for at in (4096..hive.len() - 8).step_by(4) {
        if hive[at..].starts_with(b"li") {
            hive[at + 4..at + 8].copy_from_slice(&root);
        }
    }
    let all = examine(&hive);
    assert!(
        all.iter()
            .any(|one| matches!(one, Err(HiveError::Absent(_))))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_hives_do_no_harm(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((0..1200usize, any::<u8>()), 1..12),
        cut in prop::option::of(0..30_000usize),
    ) {
        let (lists, names) = FORMS[form];
        let mut hive = sample(lists, names);
        for (at, byte) in changes {
            // Most of the structure lies behind the large value.
            let at = if at < 40 { at } else { hive.len() - at };
            hive[at] = byte;
        }
        hive.truncate(cut.unwrap_or(hive.len()));
        examine(&hive);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut stream = &bytes[..];
        let _ = pe::architecture(&mut stream);
        examine(&bytes);
    }
}

fn described(files: &[(&str, &[u8])]) -> Findings {
    let mut source = MemorySource::new();
    for (path, data) in files {
        source.file(path, data.to_vec());
    }
    let options = ScanOptions::default();
    let mut scanner = Scanner::new(&options, &Silent);
    scanner.add_root(&source).unwrap();
    describe(&scanner.finish().unwrap(), &[&source])
}

#[test]
fn the_directory_with_most_of_windows_is_it() {
    let program = &maker::program(0x8664)[..];
    let systemroot = |files: &[(&str, &[u8])]| {
        let found = described(files).properties;
        found.first().map(|property| property.1.clone())
    };
    assert_eq!(systemroot(&[("a/System32/other", b"x")]), None);
    let equal = [
        ("A/system32/KERNEL32.dll", program),
        ("windows/System32/kernel32.dll", program),
        ("x/System32/kernel32.dll", program),
    ];
    assert_eq!(systemroot(&equal).as_deref(), Some("WINDOWS"));
    let more = [equal[1], equal[2], ("x/System32/Config/software", b"x")];
    assert_eq!(systemroot(&more).as_deref(), Some("X"));
}

#[test]
fn what_is_broken_is_left_out() {
    let program = maker::program(0x1234);
    let software = maker::software(vec![
        text("EditionID", "bad \u{1}"),
        text("ProductName", "P"),
        text("CurrentVersion", "6.x"),
        text("CurrentBuild", "1.511.1 () (Obsolete data - do not use)"),
        text("CurrentBuildNumber", "2600"),
    ]);
    let found = described(&[
        ("WINNT/System32/kernel32.dll", &program),
        ("WINNT/System32/config/SOFTWARE", &software),
        ("WINNT/System32/config/SYSTEM", b"no hive"),
    ]);
    let expected = [
        ("WINDOWS/SYSTEMROOT", "WINNT"),
        ("DISPLAYNAME", "P"),
        ("DISPLAYDESCRIPTION", "P"),
        ("WINDOWS/PRODUCTNAME", "P"),
        ("WINDOWS/VERSION/BUILD", "2600"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found.properties, expected);
    assert!(found.remarks.len() >= 5, "{:?}", found.remarks);
}
