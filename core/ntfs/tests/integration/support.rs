//! Looks at whole volumes.

use std::collections::BTreeMap;
use std::sync::Arc;

use wimforge_ntfs::{
    Catalog, Error, ExtendedAttribute, FileInfo, FileReference, Limits, ObjectId, ReparsePoint,
    Security, Stream, Times, Volume, name, wof,
};

/// Opens a volume in memory. With `WIMFORGE_KEEP_VOLUMES=DIRECTORY` it is also written there, so that
/// other readers can look at it.
pub fn open(bytes: Vec<u8>) -> Volume {
    if let Some(directory) = std::env::var_os("WIMFORGE_KEEP_VOLUMES") {
        let test = std::thread::current()
            .name()
            .unwrap_or("test")
            .replace(':', "-");
        let kept = std::fs::read_dir(&directory).unwrap().count();
        let path = std::path::Path::new(&directory).join(format!("{test}.{kept}.img"));
        std::fs::write(path, &bytes).unwrap();
    }
    Volume::open(Arc::new(bytes), Limits::default()).unwrap()
}

/// All that is known about a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub record: u64,
    pub attributes: u32,
    pub times: Times,
    pub short_name: String,
    pub up_to_date: bool,
    pub streams: BTreeMap<String, Vec<u8>>,
    pub security: Option<Vec<u8>>,
    pub reparse_point: Option<ReparsePoint>,
    pub object_id: Option<ObjectId>,
    pub extended_attributes: Vec<ExtendedAttribute>,
}

/// A whole volume by path.
#[derive(Debug, Default)]
pub struct Tree {
    pub nodes: BTreeMap<String, Node>,
    /// What cannot be shown.
    pub refused: Vec<(String, Error)>,
}

impl Tree {
    pub fn read(volume: &Volume) -> Self {
        let catalog = Catalog::read(volume).unwrap();
        let mut tree = Self::default();
        let mut todo = vec![(FileReference::ROOT, String::new())];
        let root = catalog.get(FileReference::ROOT).unwrap();
        tree.nodes.insert("/".into(), node(volume, &catalog, &root));
        while let Some((directory, path)) = todo.pop() {
            let listing = catalog.list(volume, directory).unwrap();
            for refused in listing.refused() {
                let text = refused.error.to_string();
                let path = format!("{path}/{}", name::Display(&refused.name));
                tree.refused
                    .push((path, catalog_error(&refused.error, &text)));
            }
            for entry in listing.entries() {
                let path = format!("{path}/{}", name::Display(entry.name));
                let info = catalog.get(entry.reference).unwrap();
                let mut node = node(volume, &catalog, &info);
                node.short_name = name::Display(entry.short_name).to_string();
                node.up_to_date = info.has_name(&entry);
                if info.is_directory() {
                    todo.push((entry.reference, path.clone()));
                }
                assert!(tree.nodes.insert(path, node).is_none());
            }
        }
        tree
    }

    pub fn get(&self, path: &str) -> &Node {
        self.nodes.get(path).unwrap_or_else(|| panic!("no {path}"))
    }

    pub fn paths(&self) -> Vec<&str> {
        self.nodes.keys().map(String::as_str).collect()
    }
}

/// Errors cannot be cloned; what matters of one is what it says.
fn catalog_error(error: &Error, text: &str) -> Error {
    match error {
        Error::Damaged { place, fault } => Error::Damaged {
            place: place.clone(),
            fault: fault.clone(),
        },
        _ => panic!("{text}"),
    }
}

fn node(volume: &Volume, catalog: &Catalog, info: &FileInfo<'_>) -> Node {
    let file = volume.file(info.reference).unwrap();
    let security = match info.security() {
        Security::None => None,
        Security::Id(id) => Some(volume.descriptor(id).unwrap()),
        Security::Inline(index) => Some(catalog.descriptor(index).unwrap().to_vec()),
        Security::Elsewhere => volume.security_descriptor(&file).unwrap(),
    };
    assert_eq!(security, volume.security_descriptor(&file).unwrap());
    assert_eq!(info.attributes(), file.attributes().unwrap());
    assert_eq!(*info.times(), file.standard_information().unwrap().times);
    let packed = file.system_compression().unwrap().is_some();
    let mut streams = BTreeMap::new();
    let listed: Vec<_> = file.streams().map(Result::unwrap).collect();
    assert_eq!(listed.len(), info.streams().count());
    for (stream, same) in info.streams().zip(listed) {
        assert_eq!(stream.size, same.size);
        assert_eq!(stream.physical_offset, same.physical_offset);
        let opened = file.open_stream(stream.name).unwrap();
        assert_eq!(opened.size(), stream.size);
        assert_eq!(opened.physical_offset(), stream.physical_offset);
        if packed && stream.name == wof::STREAM {
            continue;
        }
        let opened = if packed && stream.name.is_empty() {
            file.open_contents().unwrap()
        } else {
            opened
        };
        streams.insert(name::Display(stream.name).to_string(), contents(&opened));
    }
    let reparse_point = file.reparse_point().unwrap();
    assert_eq!(info.is_reparse_point(), reparse_point.is_some());
    let object_id = volume.object_id(&file).unwrap();
    assert_eq!(info.has_object_id(), object_id.is_some());
    let extended_attributes = file.extended_attributes().unwrap();
    assert_eq!(
        info.has_extended_attributes(),
        !extended_attributes.is_empty()
    );
    Node {
        record: info.reference.number(),
        attributes: info.attributes(),
        times: *info.times(),
        short_name: String::new(),
        up_to_date: true,
        streams,
        security,
        reparse_point,
        object_id,
        extended_attributes,
    }
}

/// Reads a stream in one go, and again in odd pieces, which must be the same.
pub fn contents(stream: &Stream) -> Vec<u8> {
    let mut whole = vec![0x55; stream.size() as usize];
    assert_eq!(stream.read_at(0, &mut whole).unwrap(), whole.len());
    let mut at = 0;
    let mut step = 1;
    while at < whole.len() {
        let mut piece = vec![0xAA; step];
        let count = stream.read_at(at as u64, &mut piece).unwrap();
        assert_eq!(count, step.min(whole.len() - at));
        assert!(
            piece[..count] == whole[at..at + count],
            "{} at {at}",
            stream.place()
        );
        at += count;
        step = (step * 3 + 7) % 300_007;
    }
    assert_eq!(stream.read_at(stream.size(), &mut [0]).unwrap(), 0);
    whole
}

/// Numbers that look random and are the same every time.
pub struct Dice(pub u64);

impl Dice {
    /// One of 0 to `sides` − 1.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}
