//! Registry hives: finding a key by its path, and reading text and numbers in it.
//!
//! A hive is a base block of 4096 bytes, then *bins* with *cells* in them. A cell is a 32-bit size,
//! negative if the cell is in use, and its contents; cells refer to each other by their offset from the
//! first bin. Keys (`nk`), lists of subkeys (`lf`, `lh`, `li`, `ri`) and values (`vk`) are cells.
//!
//! Only what is asked for is read, by position: hives have up to some 100 MB. Nothing is believed:
//! offsets, sizes and counts are compared with what there is, and a look-up takes as many steps as its
//! path is long, so that loops do not matter. The layout is that of Microsoft's regf files, versions 1.2
//! to 1.6, as libyal's documentation of the format describes it.

use zerocopy::byteorder::little_endian::{I32, U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::Error;
use crate::image::collation;
use crate::port::OpenStream;

/// Where the first bin begins, and the size of the base block.
const BINS: u64 = 4096;

/// Cells begin behind the header of the first bin.
const FIRST_CELL: u32 = 32;

/// Largest cell that is read. Lists of 65535 subkeys are smaller.
const CELL_LIMIT: u32 = 1 << 20;

/// Most subkeys of a key that are looked at.
const SUBKEY_LIMIT: usize = 1 << 16;

/// Most bytes of a value that are read.
const DATA_LIMIT: u32 = 1 << 16;

/// Bytes of a large value in each of its pieces.
const PIECE: usize = 16_344;

/// Why something cannot be read from a hive.
#[derive(Debug, thiserror::Error)]
pub enum HiveError {
    /// The file is no hive, or one of an unknown kind.
    #[error("not a registry hive: {0}")]
    NotHive(&'static str),
    /// There is no such key or value.
    #[error("there is no \"{0}\"")]
    Absent(String),
    /// A value is of another type.
    #[error("\"{0}\" is of another type than expected")]
    Type(String),
    /// Something in the hive cannot be.
    #[error("the hive is damaged at byte {at}: {what}")]
    Damaged {
        /// Offset in the file.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The source cannot read it.
    #[error(transparent)]
    Read(#[from] Error),
}

type Result<T> = std::result::Result<T, HiveError>;

/// The beginning of the base block.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BaseBlock {
    magic: [u8; 4],
    sequence: [U32; 2],
    time: [u8; 8],
    major: U32,
    minor: U32,
    /// 0; others are transaction logs.
    kind: U32,
    format: U32,
    root: U32,
    size: U32,
}

/// `nk`: a key.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawKey {
    magic: [u8; 2],
    flags: U16,
    time: [u8; 8],
    access: U32,
    parent: U32,
    subkeys: U32,
    volatile_subkeys: U32,
    subkey_list: U32,
    volatile_list: U32,
    values: U32,
    value_list: U32,
    security: U32,
    class: U32,
    hints: [U32; 5],
    name_size: U16,
    class_size: U16,
}

/// `vk`: a value.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawValue {
    magic: [u8; 2],
    name_size: U16,
    /// [`INLINE`] says that `data` is the data itself.
    size: U32,
    data: U32,
    kind: U32,
    flags: U16,
    unused: U16,
}

/// A list of subkeys, or (`db`) of the pieces of a large value.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ListHead {
    magic: [u8; 2],
    count: U16,
}

/// Flag of a key: its name has one byte for each unit.
const KEY_NAME_IS_LATIN: u16 = 0x20;
/// Flag of a value: the same.
const VALUE_NAME_IS_LATIN: u16 = 0x01;
/// Bit of a value's size.
const INLINE: u32 = 1 << 31;
/// "No cell".
const NONE: u32 = u32::MAX;

/// An open hive.
pub struct Hive<'a> {
    stream: &'a mut dyn OpenStream,
    minor: u32,
    root: u32,
    /// Bytes of the bins.
    size: u32,
}

/// A key that was found.
pub struct Key {
    name: Vec<u16>,
    subkeys: u32,
    subkey_list: u32,
    values: u32,
    value_list: u32,
}

/// A cell's contents, and where they are in the file.
struct Cell {
    at: u64,
    bytes: Vec<u8>,
}

/// The data of a value.
struct Data {
    kind: u32,
    bytes: Vec<u8>,
}

impl<'a> Hive<'a> {
    /// Opens the hive in a stream of `size` bytes.
    ///
    /// # Errors
    /// [`HiveError::NotHive`], [`HiveError::Read`].
    pub fn open(stream: &'a mut dyn OpenStream, size: u64) -> Result<Self> {
        let mut block = [0; size_of::<BaseBlock>()];
        if size < BINS + u64::from(FIRST_CELL) {
            return Err(HiveError::NotHive("it is too short"));
        }
        read(stream, 0, &mut block)?;
        let base = BaseBlock::ref_from_bytes(&block)
            .map_err(|_| HiveError::NotHive("it has no base block"))?;
        if base.magic != *b"regf" {
            return Err(HiveError::NotHive("it does not begin with \"regf\""));
        }
        if base.major.get() != 1 || base.kind.get() != 0 {
            return Err(HiveError::NotHive("it is of another version or a log"));
        }
        // The size in the base block can be too small after a write that was not finished.
        let bins = (size - BINS).min(u64::from(u32::MAX));
        Ok(Self {
            minor: base.minor.get(),
            root: base.root.get(),
            size: bins as u32,
            stream,
        })
    }

    /// The key at a path with backslashes, below the root. Case does not matter.
    ///
    /// # Errors
    /// [`HiveError::Absent`], [`HiveError::Damaged`], [`HiveError::Read`].
    pub fn key(&mut self, path: &str) -> Result<Key> {
        let mut key = self.read_key(self.root)?;
        for name in path.split('\\') {
            let wanted: Vec<u16> = name.encode_utf16().collect();
            key = self
                .find_subkey(&key, &wanted)?
                .ok_or_else(|| HiveError::Absent(path.into()))?;
        }
        Ok(key)
    }

    /// The names of the first `most` subkeys of a key.
    ///
    /// # Errors
    /// [`HiveError::Damaged`], [`HiveError::Read`].
    pub fn subkey_names(&mut self, key: &Key, most: usize) -> Result<Vec<String>> {
        let offsets = self.subkeys(key)?;
        let first = offsets.into_iter().take(most);
        first
            .map(|offset| Ok(String::from_utf16_lossy(&self.read_key(offset)?.name)))
            .collect()
    }

    /// A value that is text, up to its first NUL.
    ///
    /// # Errors
    /// [`HiveError::Absent`], [`HiveError::Type`], [`HiveError::Damaged`], [`HiveError::Read`].
    pub fn text(&mut self, key: &Key, name: &str) -> Result<String> {
        const TEXT: u32 = 1;
        const TEXT_WITH_VARIABLES: u32 = 2;
        let data = self.value(key, name)?;
        if !matches!(data.kind, TEXT | TEXT_WITH_VARIABLES) {
            return Err(HiveError::Type(name.into()));
        }
        let units = utf16(&data.bytes).take_while(|&unit| unit != 0);
        Ok(String::from_utf16_lossy(&units.collect::<Vec<_>>()))
    }

    /// A value that is a number.
    ///
    /// # Errors
    /// As [`Hive::text`].
    pub fn number(&mut self, key: &Key, name: &str) -> Result<u64> {
        const NUMBER_32: u32 = 4;
        const NUMBER_64: u32 = 11;
        let data = self.value(key, name)?;
        let number = match data.kind {
            NUMBER_32 => data
                .bytes
                .first_chunk()
                .map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
            NUMBER_64 => data.bytes.first_chunk().map(|b| u64::from_le_bytes(*b)),
            _ => None,
        };
        number.ok_or_else(|| HiveError::Type(name.into()))
    }

    fn find_subkey(&mut self, key: &Key, wanted: &[u16]) -> Result<Option<Key>> {
        for offset in self.subkeys(key)? {
            let subkey = self.read_key(offset)?;
            if is_same_name(&subkey.name, wanted) {
                return Ok(Some(subkey));
            }
        }
        Ok(None)
    }

    /// Offsets of the subkeys of a key.
    fn subkeys(&mut self, key: &Key) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        if key.subkeys == 0 || key.subkey_list == NONE {
            return Ok(found);
        }
        let list = self.cell(key.subkey_list)?;
        let (head, _) = list.head::<ListHead>()?;
        if head.magic != *b"ri" {
            list.push_keys(&mut found)?;
            return Ok(found);
        }
        for offset in list.elements(4)? {
            let leaf = self.cell(offset)?;
            leaf.push_keys(&mut found)?;
            if found.len() > SUBKEY_LIMIT {
                return Err(leaf.damaged("too many subkeys"));
            }
        }
        Ok(found)
    }

    fn read_key(&mut self, offset: u32) -> Result<Key> {
        let cell = self.cell(offset)?;
        let (raw, rest) = cell.head::<RawKey>()?;
        if raw.magic != *b"nk" {
            return Err(cell.damaged("there is no key"));
        }
        let is_latin = raw.flags.get() & KEY_NAME_IS_LATIN != 0;
        Ok(Key {
            name: cell.name(rest, raw.name_size.get(), is_latin)?,
            subkeys: raw.subkeys.get(),
            subkey_list: raw.subkey_list.get(),
            values: raw.values.get(),
            value_list: raw.value_list.get(),
        })
    }

    fn value(&mut self, key: &Key, name: &str) -> Result<Data> {
        let wanted: Vec<u16> = name.encode_utf16().collect();
        let absent = || HiveError::Absent(name.into());
        if key.values == 0 || key.value_list == NONE {
            return Err(absent());
        }
        let list = self.cell(key.value_list)?;
        // The cell may be longer than the list.
        let size = (key.values as usize).checked_mul(4);
        let offsets = size.and_then(|size| list.bytes.get(..size));
        let offsets = offsets.ok_or_else(|| list.damaged("the list of values is too short"))?;
        for offset in offsets.chunks_exact(4) {
            let offset = offset.first_chunk().map_or(0, |o| u32::from_le_bytes(*o));
            let cell = self.cell(offset)?;
            let (raw, rest) = cell.head::<RawValue>()?;
            if raw.magic != *b"vk" {
                return Err(cell.damaged("there is no value"));
            }
            let is_latin = self.minor < 3 || raw.flags.get() & VALUE_NAME_IS_LATIN != 0;
            if is_same_name(&cell.name(rest, raw.name_size.get(), is_latin)?, &wanted) {
                let bytes = self.data(&cell, raw)?;
                let kind = raw.kind.get();
                return Ok(Data { kind, bytes });
            }
        }
        Err(absent())
    }

    fn data(&mut self, value: &Cell, raw: &RawValue) -> Result<Vec<u8>> {
        let size = raw.size.get() & !INLINE;
        if raw.size.get() & INLINE != 0 {
            let inline = raw.data.get().to_le_bytes();
            let bytes = inline.get(..size as usize);
            return bytes
                .map(<[u8]>::to_vec)
                .ok_or_else(|| value.damaged("inline data of more than four bytes"));
        }
        if size > DATA_LIMIT {
            return Err(value.damaged("the value is too large to be of use"));
        }
        if size == 0 {
            return Ok(Vec::new());
        }
        let mut cell = self.cell(raw.data.get())?;
        let size = size as usize;
        if size > PIECE && self.minor > 3 && cell.bytes.starts_with(b"db") {
            return self.pieces(&cell, size);
        }
        if cell.bytes.len() < size {
            return Err(cell.damaged("the data of a value is cut off"));
        }
        cell.bytes.truncate(size);
        Ok(cell.bytes)
    }

    /// A large value, which lies in several cells.
    fn pieces(&mut self, head: &Cell, size: usize) -> Result<Vec<u8>> {
        let (list, rest) = head.head::<ListHead>()?;
        let offset = rest.first_chunk().map(|o| u32::from_le_bytes(*o));
        let offset = offset.ok_or_else(|| head.damaged("there is no list of pieces"))?;
        let count = usize::from(list.count.get());
        let pieces = self.cell(offset)?;
        let mut bytes = Vec::with_capacity(size);
        for offset in pieces.bytes.chunks_exact(4).take(count) {
            let offset = offset.first_chunk().map_or(0, |o| u32::from_le_bytes(*o));
            let piece = self.cell(offset)?.bytes;
            bytes.extend_from_slice(&piece[..piece.len().min(PIECE)]);
            if bytes.len() >= size {
                bytes.truncate(size);
                return Ok(bytes);
            }
        }
        Err(pieces.damaged("the pieces of a value are too short"))
    }

    /// The contents of a cell in use.
    fn cell(&mut self, offset: u32) -> Result<Cell> {
        let at = BINS + u64::from(offset);
        let damaged = |what| HiveError::Damaged { at, what };
        if !offset.is_multiple_of(8) || offset < FIRST_CELL {
            return Err(damaged("there can be no cell here"));
        }
        let left = self.size.checked_sub(offset);
        let left = left.filter(|&left| left >= 8);
        let left = left.ok_or_else(|| damaged("the cell would lie behind the end"))?;
        let mut size = [0; 4];
        read(self.stream, at, &mut size)?;
        let size = i32::from_le_bytes(size);
        if size >= 0 {
            return Err(damaged("the cell is not in use"));
        }
        let size = size.unsigned_abs();
        if size < 8 || size > left || size > CELL_LIMIT {
            return Err(damaged("the cell has an impossible size"));
        }
        let mut bytes = vec![0; size as usize - size_of::<I32>()];
        read(self.stream, at + 4, &mut bytes)?;
        Ok(Cell { at, bytes })
    }
}

impl Cell {
    fn damaged(&self, what: &'static str) -> HiveError {
        HiveError::Damaged { at: self.at, what }
    }

    /// The structure that it begins with, and what follows.
    fn head<T: FromBytes + Immutable + KnownLayout + Unaligned>(&self) -> Result<(&T, &[u8])> {
        T::ref_from_prefix(&self.bytes).map_err(|_| self.damaged("the cell is too short"))
    }

    fn name(&self, rest: &[u8], size: u16, is_latin: bool) -> Result<Vec<u16>> {
        let bytes = rest.get(..usize::from(size));
        let bytes = bytes.ok_or_else(|| self.damaged("a name is longer than its cell"))?;
        Ok(match is_latin {
            true => bytes.iter().map(|&byte| u16::from(byte)).collect(),
            false => utf16(bytes).collect(),
        })
    }

    /// The first number of each element of a list.
    fn elements(&self, element: usize) -> Result<Vec<u32>> {
        let (head, rest) = self.head::<ListHead>()?;
        let count = usize::from(head.count.get());
        let elements = rest.get(..count * element);
        let elements = elements.ok_or_else(|| self.damaged("a list is longer than its cell"))?;
        let first = |element: &[u8]| element.first_chunk().map(|n| u32::from_le_bytes(*n));
        Ok(elements.chunks_exact(element).filter_map(first).collect())
    }

    /// Adds the keys that a list without sublists has.
    fn push_keys(&self, found: &mut Vec<u32>) -> Result<()> {
        let (head, _) = self.head::<ListHead>()?;
        let element = match &head.magic {
            b"lf" | b"lh" => 8,
            b"li" => 4,
            _ => return Err(self.damaged("there is no list of subkeys")),
        };
        found.append(&mut self.elements(element)?);
        Ok(())
    }
}

fn is_same_name(a: &[u16], b: &[u16]) -> bool {
    let upcase = |units: &[u16]| {
        units
            .iter()
            .map(|&u| collation::upcase(u))
            .collect::<Vec<_>>()
    };
    a.len() == b.len() && upcase(a) == upcase(b)
}

fn utf16(bytes: &[u8]) -> impl Iterator<Item = u16> {
    let units = bytes.chunks_exact(2);
    units.filter_map(|unit| unit.first_chunk().map(|unit| u16::from_le_bytes(*unit)))
}

/// Fills the whole buffer.
fn read(stream: &mut dyn OpenStream, mut offset: u64, mut buffer: &mut [u8]) -> Result<()> {
    while !buffer.is_empty() {
        let got = stream.read_at(offset, buffer)?;
        if got == 0 || got > buffer.len() {
            let what = "the file ends too early";
            return Err(HiveError::Damaged { at: offset, what });
        }
        offset += got as u64;
        buffer = &mut buffer[got..];
    }
    Ok(())
}
