//! Makes registry hives, as tests of their reader need them, and programs that say for which processor
//! they were made.
//!
//! The unit tests of the core and the seeds of the fuzzers use this file, too.

/// Something in a key.
#[derive(Clone, Debug)]
pub enum Item {
    /// A subkey.
    Key(String, Vec<Item>),
    /// Text.
    Text(String, String),
    /// A 32-bit number.
    Number(String, u32),
    /// A 64-bit number.
    LongNumber(String, u64),
}

/// How lists of subkeys are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// With the first four characters of the names.
    Lf,
    /// With hashes of the names.
    Lh,
    /// Bare.
    Li,
    /// In several `lh` lists of two keys each.
    Ri,
}

/// How names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// One byte for each character.
    Latin,
    /// UTF-16.
    Wide,
}

/// A subkey.
#[must_use]
pub fn key(name: &str, items: Vec<Item>) -> Item {
    Item::Key(name.into(), items)
}

/// Keys in each other, the innermost with these items.
#[must_use]
pub fn path(path: &str, items: Vec<Item>) -> Item {
    match path.split_once('\\') {
        Some((first, rest)) => key(first, vec![self::path(rest, items)]),
        None => key(path, items),
    }
}

/// A text value.
#[must_use]
pub fn text(name: &str, value: &str) -> Item {
    Item::Text(name.into(), value.into())
}

/// A 32-bit value.
#[must_use]
pub fn number(name: &str, value: u32) -> Item {
    Item::Number(name.into(), value)
}

/// A hive with these items in its root.
#[must_use]
pub fn hive(items: &[Item], lists: Lists, names: Names) -> Vec<u8> {
    // The first bin's header.
    let mut maker = Maker {
        cells: vec![0; 32],
        lists,
        names,
    };
    let root = maker.key("ROOT", items, 0x04);
    let used = maker.cells.len();
    let size = (used + 8).next_multiple_of(4096);
    maker.cells.resize(size, 0);
    put(
        &mut maker.cells,
        used,
        &((size - used) as u32).to_le_bytes(),
    );
    put(&mut maker.cells, 0, b"hbin");
    put(&mut maker.cells, 8, &(size as u32).to_le_bytes());
    let mut hive = vec![0; 4096];
    put(&mut hive, 0, b"regf");
    let minor = 5u32;
    let numbers = [
        (4, 1),
        (8, 1),
        (20, 1),
        (24, minor),
        (32, 1),
        (36, root),
        (40, size as u32),
    ];
    for (at, number) in numbers {
        put(&mut hive, at, &number.to_le_bytes());
    }
    put(&mut hive, 44, &1u32.to_le_bytes());
    let words = hive[..508].chunks_exact(4);
    let words = words.filter_map(|word| word.first_chunk().map(|word| u32::from_le_bytes(*word)));
    let sum = words.fold(0, |sum, word| sum ^ word);
    put(&mut hive, 508, &sum.to_le_bytes());
    hive.append(&mut maker.cells);
    hive
}

/// The beginning of a program for a machine.
#[must_use]
pub fn program(machine: u16) -> Vec<u8> {
    let mut program = vec![0; 200];
    put(&mut program, 0, b"MZ");
    put(&mut program, 0x3C, &128u32.to_le_bytes());
    put(&mut program, 128, b"PE\0\0");
    put(&mut program, 132, &machine.to_le_bytes());
    program
}

struct Maker {
    cells: Vec<u8>,
    lists: Lists,
    names: Names,
}

impl Maker {
    fn cell(&mut self, contents: &[u8]) -> u32 {
        let offset = self.cells.len();
        let size = (contents.len() + 4).next_multiple_of(8);
        self.cells.extend((-(size as i32)).to_le_bytes());
        self.cells.extend_from_slice(contents);
        self.cells.resize(offset + size, 0);
        offset as u32
    }

    fn name(&self, name: &str) -> Vec<u8> {
        match self.names {
            Names::Latin => name.chars().map(|c| c as u8).collect(),
            Names::Wide => wide(name),
        }
    }

    fn key(&mut self, name: &str, items: &[Item], flags: u16) -> u32 {
        let mut subkeys = Vec::new();
        let mut values = Vec::new();
        for item in items {
            match item {
                Item::Key(name, items) => subkeys.push((name.to_uppercase(), name, items)),
                Item::Text(name, text) => {
                    let data = wide(&format!("{text}\0"));
                    values.push(self.value(name, 1, &data));
                }
                Item::Number(name, value) => {
                    values.push(self.value(name, 4, &value.to_le_bytes()));
                }
                Item::LongNumber(name, value) => {
                    values.push(self.value(name, 11, &value.to_le_bytes()));
                }
            }
        }
        subkeys.sort_by(|a, b| a.0.cmp(&b.0));
        let subkeys: Vec<(String, u32)> = subkeys
            .into_iter()
            .map(|(upper, name, items)| (upper, self.key(name, items, 0)))
            .collect();
        let subkey_list = match subkeys.is_empty() {
            true => u32::MAX,
            false => self.list(&subkeys),
        };
        let value_list = match values.is_empty() {
            true => u32::MAX,
            false => {
                let offsets: Vec<u8> = values.iter().flat_map(|o| o.to_le_bytes()).collect();
                self.cell(&offsets)
            }
        };
        let name = self.name(name);
        let latin = u16::from(self.names == Names::Latin) << 5;
        let mut cell = vec![0; 76];
        put(&mut cell, 0, b"nk");
        put(&mut cell, 2, &(flags | latin).to_le_bytes());
        for (at, number) in [
            (20, subkeys.len() as u32),
            (28, subkey_list),
            (32, u32::MAX),
            (36, values.len() as u32),
            (40, value_list),
            (44, u32::MAX),
            (48, u32::MAX),
        ] {
            put(&mut cell, at, &number.to_le_bytes());
        }
        put(&mut cell, 72, &(name.len() as u16).to_le_bytes());
        cell.extend(name);
        self.cell(&cell)
    }

    fn value(&mut self, name: &str, kind: u32, data: &[u8]) -> u32 {
        let name = self.name(name);
        let mut size = data.len() as u32;
        let place = match data.len() {
            0..=4 => {
                size |= 1 << 31;
                let mut inline = [0; 4];
                inline[..data.len()].copy_from_slice(data);
                u32::from_le_bytes(inline)
            }
            5..=16_344 => self.cell(data),
            _ => self.large(data),
        };
        let mut cell = vec![0; 20];
        put(&mut cell, 0, b"vk");
        put(&mut cell, 2, &(name.len() as u16).to_le_bytes());
        for (at, number) in [(4, size), (8, place), (12, kind)] {
            put(&mut cell, at, &number.to_le_bytes());
        }
        put(
            &mut cell,
            16,
            &u16::from(self.names == Names::Latin).to_le_bytes(),
        );
        cell.extend(name);
        self.cell(&cell)
    }

    /// Data that is too large for one cell.
    fn large(&mut self, data: &[u8]) -> u32 {
        let pieces: Vec<u32> = data.chunks(16_344).map(|piece| self.cell(piece)).collect();
        let list: Vec<u8> = pieces
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect();
        let list = self.cell(&list);
        let mut head = b"db".to_vec();
        head.extend((pieces.len() as u16).to_le_bytes());
        head.extend(list.to_le_bytes());
        self.cell(&head)
    }

    fn list(&mut self, subkeys: &[(String, u32)]) -> u32 {
        if self.lists == Lists::Ri {
            let leaves: Vec<u32> = subkeys
                .chunks(2)
                .map(|leaf| self.leaf(*b"lh", leaf))
                .collect();
            let mut list = b"ri".to_vec();
            list.extend((leaves.len() as u16).to_le_bytes());
            list.extend(leaves.iter().flat_map(|offset| offset.to_le_bytes()));
            return self.cell(&list);
        }
        let magic = match self.lists {
            Lists::Lf => *b"lf",
            Lists::Li => *b"li",
            Lists::Lh | Lists::Ri => *b"lh",
        };
        self.leaf(magic, subkeys)
    }

    fn leaf(&mut self, magic: [u8; 2], subkeys: &[(String, u32)]) -> u32 {
        let mut list = magic.to_vec();
        list.extend((subkeys.len() as u16).to_le_bytes());
        for (upper, offset) in subkeys {
            list.extend(offset.to_le_bytes());
            match &magic {
                b"lf" => list.extend(upper.bytes().chain([0; 4]).take(4)),
                b"lh" => list.extend(hash(upper).to_le_bytes()),
                _ => {}
            }
        }
        self.cell(&list)
    }
}

fn hash(upper: &str) -> u32 {
    let add = |hash: u32, unit: u16| hash.wrapping_mul(37).wrapping_add(unit.into());
    upper.encode_utf16().fold(0, add)
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

/// The hive about software of an installation.
#[must_use]
pub fn software(items: Vec<Item>) -> Vec<u8> {
    let items = [path("Microsoft\\Windows NT\\CurrentVersion", items)];
    hive(&items, Lists::Lh, Names::Latin)
}

/// The hive about the machine of an installation.
#[must_use]
pub fn system(languages: &[&str], install_language: &str) -> Vec<u8> {
    let languages = languages.iter().map(|name| key(name, Vec::new())).collect();
    let hal = path(
        "{4D36E966-E325-11CE-BFC1-08002BE10318}\\0000",
        vec![text("MatchingDeviceId", "acpiapic")],
    );
    let control = vec![
        key(
            "Windows",
            vec![number("CSDBuildNumber", 1130), number("CSDVersion", 0x100)],
        ),
        key(
            "ProductOptions",
            vec![
                text("ProductType", "WinNT"),
                text("ProductSuite", "Terminal Server"),
            ],
        ),
        key("Class", vec![hal]),
        path("MUI\\UILanguages", languages),
        path(
            "Nls\\Language",
            vec![text("InstallLanguage", install_language)],
        ),
    ];
    hive(
        &[path("ControlSet001\\Control", control)],
        Lists::Lh,
        Names::Latin,
    )
}
