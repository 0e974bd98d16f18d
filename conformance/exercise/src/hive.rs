//! Registry hives.

use wimforge_core::windows::hive::Hive;
use wimforge_core::windows::pe;

/// The keys that are asked for, and one that every sample has.
const KEYS: [&str; 4] = [
    "Microsoft\\Windows NT\\CurrentVersion",
    "ControlSet001\\Control\\MUI\\UILanguages",
    "ControlSet001\\Control\\Nls\\Language",
    "a",
];

/// A hive: keys looked for, their subkeys listed, their values read. And what is said of a program.
pub fn all(data: &[u8]) {
    let mut stream = data;
    let _ = pe::architecture(&mut stream);
    let Ok(mut hive) = Hive::open(&mut stream, data.len() as u64) else {
        return;
    };
    for path in KEYS {
        let Ok(key) = hive.key(path) else {
            continue;
        };
        let _ = hive.subkey_names(&key, 100);
        for value in ["EditionID", "CurrentMajorVersionNumber", "text", ""] {
            let _ = hive.text(&key, value);
            let _ = hive.number(&key, value);
        }
    }
}
