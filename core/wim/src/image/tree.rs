//! The arenas and what can be done with them.

use std::collections::{HashMap, HashSet};

use super::items::{self, UnixData};
use super::{
    Content, ContentId, Dentry, DentryId, Inode, InodeId, NameRef, SecurityTable, Stream,
    StreamKind, Walk, collation,
};
use crate::hash::Sha1;
use crate::{Error, ErrorKind, Result};

/// The tree of an image.
#[derive(Clone, Debug)]
pub struct Image {
    root: Option<DentryId>,
    text: Vec<u8>,
    dentries: Vec<Dentry>,
    children: Vec<DentryId>,
    inodes: Vec<Inode>,
    streams: Vec<Stream>,
    contents: Vec<Content>,
    items: Vec<u8>,
    short_names: HashMap<DentryId, NameRef>,
    /// The security descriptors that inodes refer to.
    pub security: SecurityTable,
}

const NO_PARENT: u32 = u32::MAX;

impl Default for Image {
    fn default() -> Self {
        Self {
            root: None,
            text: Vec::new(),
            dentries: Vec::new(),
            children: Vec::new(),
            inodes: Vec::new(),
            streams: Vec::new(),
            contents: vec![Content {
                hash: Sha1::ZERO,
                size: 0,
            }],
            items: Vec::new(),
            short_names: HashMap::new(),
            security: SecurityTable::default(),
        }
    }
}

/// Arenas are addressed with 32 bits.
fn index32(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| {
        Error::new(
            ErrorKind::Memory,
            "the image has more files or longer names than 32-bit numbers can address",
        )
    })
}

/// Building.
impl Image {
    /// An image without anything, not even a root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text to the arena.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the arena is full.
    pub fn add_name(&mut self, name: &[u8]) -> Result<NameRef> {
        if name.is_empty() {
            return Ok(NameRef::default());
        }
        let start = index32(self.text.len())?;
        self.text.extend_from_slice(name);
        index32(self.text.len())?;
        Ok(NameRef {
            start,
            len: name.len() as u32,
        })
    }

    /// Adds data whose size is known, or [`UNKNOWN_SIZE`]. Empty data is [`ContentId::EMPTY`].
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the arena is full.
    pub fn add_content(&mut self, hash: Sha1, size: u64) -> Result<ContentId> {
        if size == 0 {
            return Ok(ContentId::EMPTY);
        }
        let id = ContentId(index32(self.contents.len())?);
        self.contents.push(Content { hash, size });
        Ok(id)
    }

    /// Adds a file with its streams (in the order in which they are stored) and its tagged items (in
    /// stored form). It has no names yet.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if an arena is full.
    pub fn add_inode(
        &mut self,
        mut inode: Inode,
        streams: &[Stream],
        items: &[u8],
    ) -> Result<InodeId> {
        let id = InodeId(index32(self.inodes.len())?);
        inode.names = 0;
        inode.streams_start = index32(self.streams.len())?;
        inode.streams_len = index32(streams.len())?;
        self.streams.extend_from_slice(streams);
        inode.items_start = index32(self.items.len())?;
        inode.items_len = index32(items.len())?;
        self.items.extend_from_slice(items);
        self.inodes.push(inode);
        Ok(id)
    }

    /// Adds a name of a file. It is not in a directory until [`Image::set_children`] or
    /// [`Image::set_root`] puts it there.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the arena is full.
    pub fn add_dentry(&mut self, name: NameRef, inode: InodeId) -> Result<DentryId> {
        let id = DentryId(index32(self.dentries.len())?);
        self.dentries.push(Dentry {
            name,
            inode,
            parent: NO_PARENT,
            children_start: 0,
            children_len: 0,
        });
        self.inodes[inode.index()].names += 1;
        Ok(id)
    }

    /// Makes a dentry the root.
    pub fn set_root(&mut self, root: DentryId) {
        self.root = Some(root);
    }

    /// Gives a dentry another name, without a short one. Its directory has to get its children anew.
    pub fn set_name(&mut self, dentry: DentryId, name: NameRef) {
        self.dentries[dentry.index()].name = name;
        self.short_names.remove(&dentry);
    }

    /// Gives a dentry its short name; an empty one takes it away.
    pub fn set_short_name(&mut self, dentry: DentryId, name: NameRef) {
        if name.is_empty() {
            self.short_names.remove(&dentry);
        } else {
            self.short_names.insert(dentry, name);
        }
    }

    /// Replaces the children of a directory. They are put in order.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the arena is full.
    pub fn set_children(&mut self, directory: DentryId, children: &mut [DentryId]) -> Result<()> {
        children.sort_by(|&a, &b| collation::compare(self.name(a), self.name(b)));
        let start = index32(self.children.len())?;
        for &child in &*children {
            self.dentries[child.index()].parent = directory.0;
        }
        self.children.extend_from_slice(children);
        let dentry = &mut self.dentries[directory.index()];
        dentry.children_start = start;
        dentry.children_len = index32(children.len())?;
        Ok(())
    }

    /// Takes a name away from its file, before the dentry is left out of its directory.
    pub fn forget_name(&mut self, dentry: DentryId) {
        let inode = self.dentries[dentry.index()].inode;
        let names = &mut self.inodes[inode.index()].names;
        *names = names.saturating_sub(1);
    }

    /// Takes all names of these files out of the tree.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the arena is full.
    pub fn remove_files(&mut self, files: &HashSet<InodeId>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let is_one = |image: &Self, dentry: DentryId| files.contains(&image.dentry(dentry).inode);
        let directories: Vec<DentryId> = self
            .walk_all()
            .filter(|&directory| {
                self.children(directory)
                    .iter()
                    .any(|&child| is_one(self, child))
            })
            .collect();
        for directory in directories {
            let children = self.children(directory).to_vec();
            let (gone, mut kept): (Vec<_>, Vec<_>) =
                children.into_iter().partition(|&child| is_one(self, child));
            gone.into_iter().for_each(|dentry| self.forget_name(dentry));
            self.set_children(directory, &mut kept)?;
        }
        Ok(())
    }

    /// A file, to be changed.
    pub fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut self.inodes[id.index()]
    }

    /// Data, to be changed.
    pub fn content_mut(&mut self, id: ContentId) -> &mut Content {
        &mut self.contents[id.index()]
    }

    /// Fills in the sizes of contents; `None` for what is not known, which counts as nothing.
    pub fn set_sizes(&mut self, size: impl Fn(&Sha1) -> Option<u64>) {
        for content in self.contents.iter_mut().skip(1) {
            content.size = size(&content.hash).unwrap_or(0);
        }
    }

    /// Gives back memory that growing vectors hold in reserve.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.dentries.shrink_to_fit();
        self.children.shrink_to_fit();
        self.inodes.shrink_to_fit();
        self.streams.shrink_to_fit();
        self.contents.shrink_to_fit();
        self.items.shrink_to_fit();
    }
}

/// Looking.
impl Image {
    /// The root; an image may lack one.
    #[must_use]
    pub fn root(&self) -> Option<DentryId> {
        self.root
    }

    /// Text of a name.
    #[must_use]
    pub fn text(&self, name: NameRef) -> &[u8] {
        let start = name.start as usize;
        &self.text[start..start + name.len as usize]
    }

    /// A dentry.
    #[must_use]
    pub fn dentry(&self, id: DentryId) -> &Dentry {
        &self.dentries[id.index()]
    }

    /// Number of dentries that were ever added.
    #[must_use]
    pub fn dentry_count(&self) -> usize {
        self.dentries.len()
    }

    /// Name of a dentry.
    #[must_use]
    pub fn name(&self, id: DentryId) -> &[u8] {
        self.text(self.dentry(id).name)
    }

    /// Short name of a dentry, empty if there is none.
    #[must_use]
    pub fn short_name(&self, id: DentryId) -> &[u8] {
        self.short_names
            .get(&id)
            .map_or(&[], |&name| self.text(name))
    }

    /// The file of a dentry.
    #[must_use]
    pub fn inode_of(&self, id: DentryId) -> &Inode {
        self.inode(self.dentry(id).inode)
    }

    /// A file.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.index()]
    }

    /// Number of files that were ever added, also such as have no name any more.
    #[must_use]
    pub fn inode_count(&self) -> usize {
        self.inodes.len()
    }

    /// All files that have names.
    pub fn inodes(&self) -> impl Iterator<Item = (InodeId, &Inode)> {
        let numbered = (0u32..).map(InodeId).zip(&self.inodes);
        numbered.filter(|(_, inode)| inode.names > 0)
    }

    /// The streams of a file.
    #[must_use]
    pub fn streams(&self, inode: &Inode) -> &[Stream] {
        let start = inode.streams_start as usize;
        &self.streams[start..start + inode.streams_len as usize]
    }

    /// The tagged items of a file in stored form, a multiple of 8 bytes.
    #[must_use]
    pub fn stored_items(&self, inode: &Inode) -> &[u8] {
        let start = inode.items_start as usize;
        &self.items[start..start + inode.items_len as usize]
    }

    /// The contents of the first item with this tag.
    #[must_use]
    pub fn item(&self, inode: &Inode, tag: u32) -> Option<&[u8]> {
        items::items(self.stored_items(inode))
            .find(|item| item.0 == tag)
            .map(|item| item.1)
    }

    /// Owner, group, mode and device, if the file has them.
    #[must_use]
    pub fn unix_data(&self, inode: &Inode) -> Option<UnixData> {
        UnixData::decode(self.item(inode, items::UNIX_DATA)?)
    }

    /// Data that streams refer to.
    #[must_use]
    pub fn content(&self, id: ContentId) -> &Content {
        &self.contents[id.index()]
    }

    /// Number of contents, the empty one included.
    #[must_use]
    pub fn content_count(&self) -> usize {
        self.contents.len()
    }

    /// All data that streams of files with names refer to, each with one of the names of its file; the
    /// same data may occur several times. Empty data is left out.
    pub fn data(&self) -> impl Iterator<Item = (DentryId, Sha1)> {
        self.walk_all().flat_map(|dentry| {
            let streams = self.streams(self.inode_of(dentry)).iter();
            let hashes = streams.map(|stream| self.content(stream.content).hash);
            hashes
                .filter(|hash| !hash.is_zero())
                .map(move |hash| (dentry, hash))
        })
    }

    /// The stream of a kind other than [`StreamKind::Named`].
    #[must_use]
    pub fn unnamed_stream(&self, inode: &Inode, kind: StreamKind) -> Option<&Stream> {
        self.streams(inode)
            .iter()
            .find(|stream| stream.kind == kind)
    }

    /// Children of a directory, in order.
    #[must_use]
    pub fn children(&self, id: DentryId) -> &[DentryId] {
        let dentry = self.dentry(id);
        let start = dentry.children_start as usize;
        &self.children[start..start + dentry.children_len as usize]
    }

    /// The directory that a dentry is in; `None` for the root.
    #[must_use]
    pub fn parent(&self, id: DentryId) -> Option<DentryId> {
        let parent = self.dentry(id).parent;
        (parent != NO_PARENT).then_some(DentryId(parent))
    }

    /// The child of exactly this name.
    #[must_use]
    pub fn child(&self, directory: DentryId, name: &[u8]) -> Option<DentryId> {
        let children = self.children(directory);
        let found = children.binary_search_by(|&child| collation::compare(self.name(child), name));
        found.ok().map(|index| children[index])
    }

    /// All dentries below and including `from`, parents before children, in order.
    pub fn walk(&self, from: DentryId) -> Walk<'_> {
        Walk {
            image: self,
            stack: vec![(from, 0)],
        }
    }

    /// All dentries of the image; none without a root.
    pub fn walk_all(&self) -> Walk<'_> {
        Walk {
            image: self,
            stack: self.root.map(|root| (root, 0)).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_small() {
        assert_eq!(size_of::<Dentry>(), 24);
        assert!(size_of::<Inode>() <= 72, "{}", size_of::<Inode>());
        assert_eq!(size_of::<Stream>(), 16);
    }

    #[test]
    fn walking_is_in_order() {
        let mut image = Image::new();
        let add = |image: &mut Image, name: &str| {
            let inode = image.add_inode(Inode::default(), &[], &[]).unwrap();
            let name = image.add_name(name.as_bytes()).unwrap();
            image.add_dentry(name, inode).unwrap()
        };
        let (root, b, a, x) = (
            add(&mut image, ""),
            add(&mut image, "b"),
            add(&mut image, "A"),
            add(&mut image, "x"),
        );
        image.set_root(root);
        image.set_children(root, &mut [b, a]).unwrap();
        image.set_children(a, &mut [x]).unwrap();
        assert_eq!(image.walk_all().collect::<Vec<_>>(), [root, a, x, b]);
        assert_eq!(image.path(x), b"/A/x");
        assert_eq!(image.child(root, b"b"), Some(b));
        assert_eq!(image.lookup(b"/A//x/"), Some(x));
        assert_eq!(image.lookup(b""), Some(root));
        assert_eq!(image.lookup(b"/a"), None);
    }
}
