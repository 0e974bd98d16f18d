//! Makes small NTFS volumes in memory, without any tool: whatever a test wants to see, also what no
//! driver writes.

pub mod attribute;
pub mod filler;
mod index;
pub mod sample;

use std::collections::BTreeMap;

use wimforge_codec::{Compressor, Format, Level, lznt1};
use wimforge_ntfs::security_hash;

use attribute::{Attribute, COMPRESSED, units};
use index::Key;

/// Name spaces.
pub const POSIX: u8 = 0;
pub const WIN32: u8 = 1;
pub const DOS: u8 = 2;
pub const WIN32_AND_DOS: u8 = 3;

pub const ROOT: u32 = 5;
const FIRST_USER: u32 = 32;
/// Where descriptors begin to be numbered.
const FIRST_SECURITY_ID: u32 = 256;

#[derive(Clone, Debug, Default)]
pub struct Record {
    pub sequence: u16,
    pub flags: u16,
    pub base: u64,
    pub attributes: Vec<Attribute>,
}

/// A volume that is being made.
pub struct Maker {
    pub sector_size: usize,
    pub cluster_size: usize,
    pub record_size: usize,
    /// Bytes of entries after which an index block is full.
    pub index_fill: usize,
    /// The number of runs of `$MFT`.
    pub mft_pieces: usize,
    pub volume_flags: u16,
    bytes: Vec<u8>,
    pub records: BTreeMap<u32, Record>,
    entries: BTreeMap<u32, Vec<Key>>,
    next: u32,
    descriptors: Vec<Vec<u8>>,
    object_ids: Vec<Key>,
}

/// The reference of a record of a made volume.
pub fn reference(number: u32) -> u64 {
    u64::from(number) | u64::from(sequence(number)) << 48
}

fn sequence(number: u32) -> u16 {
    if number < 16 { number.max(1) as u16 } else { 3 }
}

impl Maker {
    pub fn new(cluster_size: usize, record_size: usize) -> Self {
        let mut maker = Self {
            sector_size: 512,
            cluster_size,
            record_size,
            index_fill: 3000,
            mft_pieces: 1,
            volume_flags: 0,
            // The boot sector, at least 8 KiB.
            bytes: vec![0; cluster_size.max(8192)],
            records: BTreeMap::new(),
            entries: BTreeMap::new(),
            next: FIRST_USER,
            descriptors: Vec::new(),
            object_ids: Vec::new(),
        };
        for number in 0..12 {
            maker.put(number, 0, 0);
        }
        maker.records.get_mut(&ROOT).unwrap().flags |= 2;
        maker.records.get_mut(&11).unwrap().flags |= 2;
        for (number, name) in [
            (0, "$MFT"),
            (1, "$MFTMirr"),
            (2, "$LogFile"),
            (3, "$Volume"),
            (4, "$AttrDef"),
            (5, "."),
            (6, "$Bitmap"),
            (7, "$Boot"),
            (8, "$BadClus"),
            (9, "$Secure"),
            (10, "$UpCase"),
            (11, "$Extend"),
        ] {
            maker.link(number, ROOT, name, WIN32_AND_DOS);
        }
        maker.attribute(2, Attribute::resident(0x80, "", vec![0xFF; 64]));
        maker.attribute(3, Attribute::resident(0x60, "", utf16("made")));
        for number in [4, 7, 8] {
            maker.attribute(number, Attribute::resident(0x80, "", Vec::new()));
        }
        let upcase: Vec<u8> = (0..256u16)
            .map(|unit| {
                if (97..=122).contains(&unit) {
                    unit - 32
                } else {
                    unit
                }
            })
            .flat_map(u16::to_le_bytes)
            .collect();
        let upcase = maker.stored(0x80, "", &upcase);
        maker.attribute(10, upcase);
        maker.put(24, 0, 0);
        maker.link(24, 11, "$ObjId", WIN32_AND_DOS);
        maker
    }

    fn put(&mut self, number: u32, attributes: u32, security: u32) {
        let mut value = Vec::new();
        for time in 0..4u64 {
            value.extend((u64::from(number) * 10 + time).to_le_bytes());
        }
        value.extend(attributes.to_le_bytes());
        value.resize(48, 0);
        if security != 0 {
            value.extend(0u32.to_le_bytes());
            value.extend(security.to_le_bytes());
            value.resize(72, 0);
        }
        let record = Record {
            sequence: sequence(number),
            flags: 1,
            base: 0,
            attributes: vec![Attribute::resident(0x10, "", value)],
        };
        self.records.insert(number, record);
    }

    /// A new file without names.
    pub fn nameless(&mut self, attributes: u32, security: u32) -> u32 {
        let number = self.next;
        self.next += 1;
        self.put(number, attributes, security);
        number
    }

    pub fn file(&mut self, directory: u32, name: &str) -> u32 {
        let number = self.nameless(0x20, 0);
        self.link(number, directory, name, POSIX);
        number
    }

    pub fn directory(&mut self, parent: u32, name: &str) -> u32 {
        let number = self.file(parent, name);
        self.records.get_mut(&number).unwrap().flags |= 2;
        number
    }

    /// Gives a file a name.
    pub fn link(&mut self, number: u32, directory: u32, name: &str, space: u8) {
        let value = file_name(directory, name, space);
        self.attribute(number, Attribute::resident(0x30, "", value));
        self.entry(number, directory, name, space);
    }

    /// Makes an entry in a directory only.
    pub fn entry(&mut self, number: u32, directory: u32, name: &str, space: u8) {
        self.entries.entry(directory).or_default().push(Key {
            head: reference(number),
            key: file_name(directory, name, space),
            data: None,
        });
    }

    /// Puts the entries of one directory into another, which is wrong.
    pub fn move_entries(&mut self, from: u32, to: u32) {
        let entries = self.entries.remove(&from).unwrap_or_default();
        self.entries.insert(to, entries);
    }

    /// The entries of a directory, to break them.
    pub fn heads(&mut self, directory: u32) -> impl Iterator<Item = &mut u64> {
        let entries = self.entries.get_mut(&directory).unwrap();
        entries.iter_mut().map(|key| &mut key.head)
    }

    pub fn attribute(&mut self, number: u32, attribute: Attribute) {
        self.records
            .get_mut(&number)
            .unwrap()
            .attributes
            .push(attribute);
    }

    /// Puts attributes into an extension record. The attribute list makes itself.
    pub fn extension(&mut self, base: u32, attributes: Vec<Attribute>) -> u32 {
        let number = self.next;
        self.next += 1;
        let record = Record {
            sequence: sequence(number),
            flags: 1,
            base: reference(base),
            attributes,
        };
        self.records.insert(number, record);
        number
    }

    /// Writes data to clusters of its own and returns the first.
    pub fn store(&mut self, data: &[u8]) -> (u64, u64) {
        let first = self.bytes.len().next_multiple_of(self.cluster_size);
        self.bytes.resize(first, 0);
        self.bytes.extend(data);
        let end = self.bytes.len().next_multiple_of(self.cluster_size);
        // What is behind the data must not be seen.
        self.bytes.resize(end, 0xEE);
        let cluster = self.cluster_size;
        ((first / cluster) as u64, ((end - first) / cluster) as u64)
    }

    /// A non-resident attribute with this data.
    pub fn stored(&mut self, kind: u32, name: &str, data: &[u8]) -> Attribute {
        let (lcn, count) = self.store(data);
        let runs = if count == 0 {
            Vec::new()
        } else {
            vec![(Some(lcn), count)]
        };
        Attribute::clusters(
            kind,
            name,
            runs,
            data.len() as u64,
            self.cluster_size as u64,
        )
    }

    /// Data in runs of one cluster each, which lie on the volume in another order than in the file.
    pub fn scattered(&mut self, name: &str, data: &[u8]) -> Attribute {
        let clusters: Vec<_> = data.chunks(self.cluster_size).collect();
        let mut order: Vec<usize> = (0..clusters.len()).collect();
        order.sort_by_key(|index| (index * 7919 + 13) % clusters.len());
        let mut runs = vec![(None, 0); clusters.len()];
        for index in order {
            let (lcn, count) = self.store(clusters[index]);
            runs[index] = (Some(lcn), count);
        }
        let size = data.len() as u64;
        Attribute::clusters(0x80, name, runs, size, self.cluster_size as u64)
    }

    /// Data compressed by the file system, in units of 16 clusters.
    pub fn compressed(&mut self, name: &str, data: &[u8]) -> Attribute {
        let unit = 16 * self.cluster_size;
        let mut runs = Vec::new();
        for part in data.chunks(unit) {
            if part.iter().all(|byte| *byte == 0) {
                runs.push((None, 16));
                continue;
            }
            let mut packed = Vec::new();
            lznt1::compress(part, &mut packed);
            packed.extend([0, 0]);
            if packed.len().div_ceil(self.cluster_size) < 16 {
                let (lcn, count) = self.store(&packed);
                runs.push((Some(lcn), count));
                runs.push((None, 16 - count));
            } else {
                let mut whole = part.to_vec();
                whole.resize(unit, 0xDD);
                let (lcn, count) = self.store(&whole);
                runs.push((Some(lcn), count));
            }
        }
        let size = data.len() as u64;
        Attribute::clusters(0x80, name, runs, size, self.cluster_size as u64)
            .with_flags(COMPRESSED)
            .with_unit_shift(4)
    }

    /// A file compressed by the system.
    pub fn wof(&mut self, directory: u32, name: &str, data: &[u8], method: u32) -> u32 {
        let (format, chunk_size) = match method {
            0 => (Format::Xpress, 4096),
            1 => (Format::Lzx, 32768),
            2 => (Format::Xpress, 8192),
            _ => (Format::Xpress, 16384),
        };
        let number = self.nameless(0x620, 0);
        self.link(number, directory, name, POSIX);
        let mut compressor = Compressor::new(format, chunk_size as u32, Level::NORMAL).unwrap();
        let mut table = Vec::new();
        let mut chunks = Vec::new();
        for (index, chunk) in data.chunks(chunk_size).enumerate() {
            if index > 0 {
                table.extend((chunks.len() as u32).to_le_bytes());
            }
            let mut out = vec![0; chunk.len() - 1];
            match compressor.compress(chunk, &mut out) {
                Some(size) => chunks.extend(&out[..size]),
                None => chunks.extend(chunk),
            }
        }
        let packed = self.stored(0x80, "WofCompressedData", &[table, chunks].concat());
        let size = data.len() as u64;
        let cluster = self.cluster_size as u64;
        let hole = vec![(None, size.div_ceil(cluster))];
        let plain = Attribute::clusters(0x80, "", hole, size, cluster)
            .with_flags(attribute::SPARSE)
            .with_initialised(0);
        let mut point = 0x8000_0017u32.to_le_bytes().to_vec();
        point.extend([16, 0, 0, 0]);
        point.extend([1, 2, 1, method].into_iter().flat_map(u32::to_le_bytes));
        for attribute in [plain, packed, Attribute::resident(0xC0, "", point)] {
            self.attribute(number, attribute);
        }
        number
    }

    /// Registers a descriptor and returns its number.
    pub fn descriptor(&mut self, descriptor: &[u8]) -> u32 {
        self.descriptors.push(descriptor.to_vec());
        FIRST_SECURITY_ID + self.descriptors.len() as u32 - 1
    }

    /// Gives a file an object id with an origin.
    pub fn object_id(&mut self, number: u32, id: [u8; 16], birth: [u8; 48]) {
        self.attribute(number, Attribute::resident(0x40, "", id));
        let mut data = reference(number).to_le_bytes().to_vec();
        data.extend(birth);
        self.object_ids.push(Key {
            head: 0,
            key: id.to_vec(),
            data: Some(data),
        });
    }

    fn make_secure(&mut self) {
        let mut stream = Vec::new();
        let mut by_id = Vec::new();
        let mut by_hash = BTreeMap::new();
        for (id, descriptor) in (FIRST_SECURITY_ID..).zip(&self.descriptors) {
            let hash = security_hash(descriptor);
            let mut header = Vec::new();
            header.extend(hash.to_le_bytes());
            header.extend(id.to_le_bytes());
            header.extend((stream.len() as u64).to_le_bytes());
            header.extend((descriptor.len() as u32 + 20).to_le_bytes());
            stream.extend(&header);
            stream.extend(descriptor);
            stream.resize(stream.len().next_multiple_of(16), 0);
            by_id.push(Key {
                head: 0,
                key: id.to_le_bytes().to_vec(),
                data: Some(header.clone()),
            });
            by_hash.insert(
                (hash, id),
                Key {
                    head: 0,
                    key: [hash.to_le_bytes(), id.to_le_bytes()].concat(),
                    data: Some(header),
                },
            );
        }
        let used = stream.len();
        stream.resize(256 << 10, 0);
        stream.extend_from_within(..used);
        let cluster = self.cluster_size;
        let data = if cluster > 64 << 10 {
            self.stored(0x80, "$SDS", &stream)
        } else {
            let (first, first_count) = self.store(&stream[..used]);
            let gap = (256 << 10) / cluster as u64 - first_count;
            let (second, second_count) = self.store(&stream[256 << 10..]);
            let runs = vec![
                (Some(first), first_count),
                (None, gap),
                (Some(second), second_count),
            ];
            let runs = runs.into_iter().filter(|run| run.1 > 0).collect();
            Attribute::clusters(0x80, "$SDS", runs, stream.len() as u64, cluster as u64)
        };
        self.attribute(9, data);
        let by_hash: Vec<_> = by_hash.into_values().collect();
        for attribute in self.index("$SDH", 0, 0x12, &by_hash) {
            self.attribute(9, attribute);
        }
        for attribute in self.index("$SII", 0, 0x10, &by_id) {
            self.attribute(9, attribute);
        }
    }

    /// The finished volume.
    pub fn finish(mut self) -> Vec<u8> {
        let flags = self.volume_flags.to_le_bytes();
        let information = [[0; 8], [3, 1, flags[0], flags[1], 0, 0, 0, 0]].concat();
        self.attribute(3, Attribute::resident(0x70, "", &information[..12]));
        self.make_secure();
        let object_ids = std::mem::take(&mut self.object_ids);
        for attribute in self.index("$O", 0, 0x13, &object_ids) {
            self.attribute(24, attribute);
        }
        let directories: Vec<u32> = self
            .records
            .iter()
            .filter(|(_, record)| record.flags & 2 != 0 && record.base == 0)
            .map(|(number, _)| *number)
            .collect();
        for number in directories {
            let mut keys = self.entries.remove(&number).unwrap_or_default();
            keys.sort_by_key(|key| collate(&key.key));
            for attribute in self.index("$I30", 0x30, 1, &keys) {
                self.attribute(number, attribute);
            }
        }
        let bitmap = self.stored(0x80, "", &vec![0xFF; 4096]);
        self.attribute(6, bitmap);
        self.place_mft()
    }

    fn place_mft(mut self) -> Vec<u8> {
        let records = *self.records.keys().max().unwrap() as usize + 1;
        let size = (records * self.record_size).next_multiple_of(self.cluster_size);
        let clusters = (size / self.cluster_size) as u64;
        let records = size / self.record_size;
        // Pieces with a foreign cluster between them, the first with the first records.
        let mut runs = Vec::new();
        let pieces = self.mft_pieces.min(clusters as usize) as u64;
        let mut left = clusters;
        for piece in 0..pieces {
            let mut count = left / (pieces - piece);
            if piece == 0 && pieces > 1 {
                count = count.max((24 * self.record_size).div_ceil(self.cluster_size) as u64);
            }
            left -= count;
            let (lcn, _) = self.store(&vec![0; count as usize * self.cluster_size]);
            runs.push((Some(lcn), count));
            self.store(&vec![0xCC; self.cluster_size]);
        }
        let (mirror, _) = self.store(&vec![0; (4 * self.record_size).max(self.cluster_size)]);
        let mft = Attribute::clusters(
            0x80,
            "",
            runs.clone(),
            size as u64,
            self.cluster_size as u64,
        );
        if pieces <= 2 {
            self.attribute(0, mft);
        } else {
            let mut parts = mft.split(2).into_iter();
            let first = parts.next().unwrap();
            self.attribute(0, first);
            for (number, part) in (15..).zip(parts) {
                assert!(number < 24);
                let record = Record {
                    sequence: sequence(number),
                    flags: 1,
                    base: reference(0),
                    attributes: vec![part],
                };
                self.records.insert(number, record);
            }
        }
        self.attribute(0, Attribute::resident(0xB0, "", vec![0xFF; 8]));
        self.attribute(1, Attribute::resident(0x80, "", Vec::new()));
        let mft = self.encode_records(records);
        let cluster = self.cluster_size;
        let mut rest = &mft[..];
        for (lcn, count) in &runs {
            let start = lcn.unwrap() as usize * cluster;
            let (part, behind) = rest.split_at(*count as usize * cluster);
            self.bytes[start..start + part.len()].copy_from_slice(part);
            rest = behind;
        }
        let start = mirror as usize * cluster;
        let copy = 4 * self.record_size;
        self.bytes[start..start + copy].copy_from_slice(&mft[..copy]);
        self.boot(runs[0].0.unwrap(), mirror);
        self.bytes
    }

    fn boot(&mut self, mft: u64, mirror: u64) {
        let code = |size: usize| {
            if size >= self.cluster_size {
                (size / self.cluster_size) as u8
            } else {
                (256 - size.trailing_zeros()) as u8
            }
        };
        let (record, index) = (code(self.record_size), code(4096));
        let sectors = (self.bytes.len() / self.sector_size) as u64;
        let per_cluster = self.cluster_size / self.sector_size;
        let boot = &mut self.bytes;
        boot[3..11].copy_from_slice(b"NTFS    ");
        boot[11..13].copy_from_slice(&(self.sector_size as u16).to_le_bytes());
        boot[13] = if per_cluster <= 128 {
            per_cluster as u8
        } else {
            (256 - per_cluster.trailing_zeros()) as u8
        };
        boot[40..48].copy_from_slice(&sectors.to_le_bytes());
        boot[48..56].copy_from_slice(&mft.to_le_bytes());
        boot[56..64].copy_from_slice(&mirror.to_le_bytes());
        boot[64] = record;
        boot[68] = index;
        boot[72..80].copy_from_slice(&0x1234_5678_9ABC_DEF0u64.to_le_bytes());
        boot[510..512].copy_from_slice(&[0x55, 0xAA]);
        let copy = boot[..self.sector_size].to_vec();
        boot.extend(copy);
    }

    fn encode_records(&mut self, count: usize) -> Vec<u8> {
        self.make_lists();
        let mut out = vec![0; count * self.record_size];
        for (number, record) in &mut self.records {
            let start = *number as usize * self.record_size;
            let block = &mut out[start..start + self.record_size];
            encode_record(block, *number, record);
        }
        out
    }

    /// Numbers the attributes and makes attribute lists for files with extension records.
    fn make_lists(&mut self) {
        let mut lists: BTreeMap<u32, Vec<(u32, Attribute)>> = BTreeMap::new();
        for (number, record) in &mut self.records {
            record
                .attributes
                .sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
            for (id, attribute) in (1..).zip(&mut record.attributes) {
                attribute.id = id;
            }
            let base = if record.base == 0 {
                *number
            } else {
                record.base as u32
            };
            let list = lists.entry(base).or_default();
            list.extend(
                record
                    .attributes
                    .iter()
                    .map(|found| (*number, found.clone())),
            );
        }
        for (base, mut list) in lists {
            if list.iter().all(|(number, _)| *number == base) {
                continue;
            }
            list.sort_by_key(|(_, found)| (found.kind, found.name.clone(), found.first_vcn()));
            let mut value = Vec::new();
            for (number, found) in list {
                let mut entry = vec![0; 26];
                entry[0..4].copy_from_slice(&found.kind.to_le_bytes());
                entry[6] = found.name.len() as u8;
                entry[7] = 26;
                entry[8..16].copy_from_slice(&found.first_vcn().to_le_bytes());
                entry[16..24].copy_from_slice(&reference(number).to_le_bytes());
                entry[24..26].copy_from_slice(&found.id.to_le_bytes());
                entry.extend(found.name.iter().flat_map(|unit| unit.to_le_bytes()));
                entry.resize(entry.len().next_multiple_of(8), 0);
                let length = entry.len() as u16;
                entry[4..6].copy_from_slice(&length.to_le_bytes());
                value.extend(entry);
            }
            let list = if value.len() > 400 {
                self.stored(0x20, "", &value)
            } else {
                Attribute::resident(0x20, "", value)
            };
            self.records
                .get_mut(&base)
                .unwrap()
                .attributes
                .insert(1, list);
        }
    }
}

fn encode_record(block: &mut [u8], number: u32, record: &mut Record) {
    let values = block.len() / 512 + 1;
    let first = (48 + 2 * values).next_multiple_of(8);
    let mut out = vec![0; first];
    record.attributes.sort_by_key(|found| found.kind);
    for attribute in &record.attributes {
        out.extend(attribute.encode());
    }
    out.extend([0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    assert!(
        out.len() <= block.len(),
        "record {number}: {} bytes",
        out.len()
    );
    let links = record
        .attributes
        .iter()
        .filter(|found| found.kind == 0x30)
        .count();
    out[0..4].copy_from_slice(b"FILE");
    out[4] = 48;
    out[6] = values as u8;
    out[16..18].copy_from_slice(&record.sequence.to_le_bytes());
    out[18..20].copy_from_slice(&(links as u16).to_le_bytes());
    out[20..22].copy_from_slice(&(first as u16).to_le_bytes());
    out[22..24].copy_from_slice(&record.flags.to_le_bytes());
    let used = out.len() as u32;
    out[24..28].copy_from_slice(&used.to_le_bytes());
    out[28..32].copy_from_slice(&(block.len() as u32).to_le_bytes());
    out[32..40].copy_from_slice(&record.base.to_le_bytes());
    out[40..42].copy_from_slice(&1000u16.to_le_bytes());
    out[44..48].copy_from_slice(&number.to_le_bytes());
    block[..out.len()].copy_from_slice(&out);
    fix_ups(block, 48);
}

/// Protects a block.
pub fn fix_ups(block: &mut [u8], array: usize) {
    let check = [0x07, 0x00];
    block[array..array + 2].copy_from_slice(&check);
    for piece in 0..block.len() / 512 {
        let end = 512 * (piece + 1);
        let value = [block[end - 2], block[end - 1]];
        let at = array + 2 + 2 * piece;
        block[at..at + 2].copy_from_slice(&value);
        block[end - 2..end].copy_from_slice(&check);
    }
}

fn utf16(text: &str) -> Vec<u8> {
    units(text).into_iter().flat_map(u16::to_le_bytes).collect()
}

fn file_name(directory: u32, name: &str, space: u8) -> Vec<u8> {
    let mut value = reference(directory).to_le_bytes().to_vec();
    value.resize(64, 0);
    value.push(units(name).len() as u8);
    value.push(space);
    value.extend(utf16(name));
    value
}

/// What a name sorts by.
fn collate(key: &[u8]) -> (Vec<u16>, Vec<u16>) {
    let name: Vec<u16> = key[66..]
        .chunks_exact(2)
        .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
        .collect();
    let upper = |unit: &u16| match unit {
        97..=122 => unit - 32,
        _ => *unit,
    };
    (name.iter().map(upper).collect(), name)
}
