//! An open volume.

use std::sync::Arc;

use crate::attribute::AttributeType;
use crate::boot::Geometry;
use crate::context::Context;
use crate::device::{ReadAt, read_exact};
use crate::directory::{FIRST_LISTED, I30, Listing};
use crate::error::{Error, Fault, Place, Result};
use crate::file::File;
use crate::file_name::FileName;
use crate::index::{self, Index};
use crate::limits::Limits;
use crate::mft::{Copy, Mft};
use crate::object_id::{self, ObjectId, ObjectIds};
use crate::recognise::{FileSystem, HEAD};
use crate::record::FileReference;
use crate::secure::{SECURE, Secure};
use crate::state::{self, VolumeInfo, Warning};
use crate::upcase::UpCase;

const BITMAP: u64 = 6;
const UPCASE: u64 = 10;

/// An NTFS volume. All methods take `&self` and any number of threads may call them.
pub struct Volume {
    pub(crate) context: Arc<Context>,
    pub(crate) mft: Mft,
    upcase: UpCase,
    info: VolumeInfo,
    secure: Option<Secure>,
    object_ids: ObjectIds,
    warnings: Vec<Warning>,
}

impl Volume {
    /// Opens the volume that begins with the first byte of `device`.
    ///
    /// # Errors
    /// [`Error::NotNtfs`] names what else it is. A damaged boot sector, `$MFT`, `$UpCase` or root
    /// directory is an error; damage of other system files is a [`Warning`].
    pub fn open(device: Arc<dyn ReadAt>, limits: Limits) -> Result<Self> {
        let mut head = vec![0; device.size().min(HEAD as u64) as usize];
        read_exact(&*device, 0, &mut head)?;
        let geometry = Geometry::parse(&head, device.size())?;
        Self::open_as(device, geometry, limits)
    }

    /// Opens a volume whose boot sector is lost, by the copy of it in the last sector of `device`.
    ///
    /// # Errors
    /// As for [`Volume::open`]; [`Error::NotNtfs`] if there is no copy.
    pub fn open_by_copy(device: Arc<dyn ReadAt>, limits: Limits) -> Result<Self> {
        let size = device.size();
        for sector in [512, 1024, 2048, 4096] {
            let Some(last) = (size / sector).checked_sub(1) else {
                break;
            };
            let mut copy = vec![0; sector as usize];
            read_exact(&*device, last * sector, &mut copy)?;
            match Geometry::parse(&copy, size) {
                Ok(geometry) if u64::from(geometry.sector_size) == sector => {
                    return Self::open_as(device, geometry, limits);
                }
                _ => {}
            }
        }
        Err(Error::NotNtfs(FileSystem::Unknown))
    }

    fn open_as(device: Arc<dyn ReadAt>, geometry: Geometry, limits: Limits) -> Result<Self> {
        let size = device.size();
        let context = Arc::new(Context {
            device,
            geometry,
            limits,
        });
        let mut warnings = Vec::new();
        let expected = geometry.sectors.saturating_mul(geometry.sector_size.into());
        if expected > size {
            let found = size;
            warnings.push(Warning::CutOff { expected, found });
        }
        let (mft, copy) = Mft::load(&context)?;
        if copy == Copy::Mirror {
            warnings.push(Warning::MirrorUsed);
        }
        let upcase = UpCase::load(&File::load(&context, &mft, FileReference(UPCASE))?)?;
        let info = state::information(&context, &mft).unwrap_or_else(|error| {
            warnings.push(Warning::InformationUnusable(error));
            VolumeInfo {
                records: mft.records(),
                mft_runs: mft.runs(),
                ..VolumeInfo::default()
            }
        });
        if info.is_dirty() {
            warnings.push(Warning::Dirty);
        }
        warnings.extend(state::log_warning(&context, &mft));
        let mut volume = Self {
            context,
            mft,
            upcase,
            info,
            secure: None,
            object_ids: ObjectIds::default(),
            warnings,
        };
        volume.load_tables()?;
        Ok(volume)
    }

    /// Reads what can be missing: descriptors, object ids, hibernation.
    fn load_tables(&mut self) -> Result<()> {
        let secure = self
            .file(FileReference(u64::from(SECURE)))
            .and_then(|file| Secure::load(&file));
        match secure {
            Ok(None) => {}
            Ok(Some((secure, error))) => {
                self.warnings.extend(error.map(Warning::SecurityIndex));
                self.info.descriptors = secure.len();
                self.secure = Some(secure);
            }
            Err(error) => self.warnings.push(Warning::SecurityUnusable(error)),
        }
        let extend = FileReference(u64::from(object_id::EXTEND));
        let object_ids = self
            .find(extend, &object_id::NAME)
            .and_then(|found| found.map(|id| self.file(id)).transpose());
        match object_ids.and_then(|file| file.map(|file| ObjectIds::load(&file)).transpose()) {
            Ok(object_ids) => self.object_ids = object_ids.unwrap_or_default(),
            // Volumes older than Windows 2000 do not have the directory.
            Err(_) if matches!(self.info.version.0, 1 | 2) => {}
            Err(error) => self.warnings.push(Warning::ObjectIdsUnusable(error)),
        }
        if let Some(found) = self.find(FileReference::ROOT, &state::HIBERNATION_FILE)? {
            let hibernated = self
                .file(found)
                .and_then(|file| state::is_hibernated(&file));
            if hibernated.unwrap_or(false) {
                self.warnings.push(Warning::Hibernated);
            }
        }
        Ok(())
    }

    /// The sizes of everything.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.context.geometry
    }

    /// What the volume says about itself.
    #[must_use]
    pub fn info(&self) -> &VolumeInfo {
        &self.info
    }

    /// What should be told to whoever reads the volume.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How names compare.
    #[must_use]
    pub fn upcase(&self) -> &UpCase {
        &self.upcase
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.context.limits
    }

    /// Reads the records of a file.
    ///
    /// # Errors
    /// Damage, or a reference to a file that does not exist any more.
    pub fn file(&self, reference: FileReference) -> Result<File> {
        File::load(&self.context, &self.mft, reference)
    }

    /// Reads a directory. Its entries are not checked against the files they name; a
    /// [`Catalog`](crate::Catalog) does that.
    ///
    /// # Errors
    /// Damage of the directory; damaged entries are in [`Listing::refused`].
    pub fn list(&self, directory: FileReference) -> Result<Listing> {
        Listing::read(&self.file(directory)?, &self.upcase)
    }

    /// Looks for a name in a directory, without regard to case. System files are found too.
    ///
    /// # Errors
    /// Damage of the directory.
    pub fn find(&self, directory: FileReference, name: &[u16]) -> Result<Option<FileReference>> {
        let file = self.file(directory)?;
        let mut found = None;
        Index::open(&file, &I30, index::DIRECTORY)?.walk(|entry| {
            if found.is_none()
                && let Ok(file_name) = FileName::parse(entry.key)
                && self.upcase.equal(file_name.name, name)
            {
                found = Some(FileReference(entry.head));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Follows a path of names separated by `/` or `\` from the root, without regard to case.
    ///
    /// # Errors
    /// Damage on the way, or [`Error::Missing`] with the directory that lacks a name.
    pub fn find_path(&self, path: &str) -> Result<FileReference> {
        let mut at = FileReference::ROOT;
        for name in path.split(['/', '\\']).filter(|name| !name.is_empty()) {
            let units: Vec<u16> = name.encode_utf16().collect();
            at = self.find(at, &units)?.ok_or_else(|| {
                let record = u32::try_from(at.number()).unwrap_or(u32::MAX);
                Error::Missing(Place::attribute(record, AttributeType::FILE_NAME, &units))
            })?;
        }
        Ok(at)
    }

    /// The security descriptor with a number.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn descriptor(&self, id: u32) -> Result<Vec<u8>> {
        match &self.secure {
            Some(secure) => secure.descriptor(id),
            None => Err(Fault::NoSecurityId(id).at(SECURE)),
        }
    }

    /// The security descriptor of a file: the one its number names, else its own, else none.
    ///
    /// # Errors
    /// Damage.
    pub fn security_descriptor(&self, file: &File) -> Result<Option<Vec<u8>>> {
        match file.standard_information()?.security_id {
            Some(id) => self.descriptor(id).map(Some),
            None => file.read(
                AttributeType::SECURITY_DESCRIPTOR,
                &[],
                self.context.limits.descriptor,
            ),
        }
    }

    /// The object id of a file.
    ///
    /// # Errors
    /// Damage.
    pub fn object_id(&self, file: &File) -> Result<Option<ObjectId>> {
        self.object_ids.of(file)
    }

    /// Counts the clusters in use.
    ///
    /// # Errors
    /// Damage of `$Bitmap`.
    pub fn used_clusters(&self) -> Result<u64> {
        let stream = self.file(FileReference(BITMAP))?.open_stream(&[])?;
        let clusters = self.context.geometry.clusters;
        let mut buffer = vec![0; 1 << 20];
        let mut used = 0;
        let mut done = 0;
        while done < clusters.div_ceil(8) {
            let want = (clusters.div_ceil(8) - done).min(buffer.len() as u64) as usize;
            let count = stream.read_at(done, &mut buffer[..want])?;
            if count == 0 {
                break;
            }
            done += count as u64;
            // Bits behind the last cluster may be set.
            let beyond = (done * 8).saturating_sub(clusters);
            if beyond > 0 {
                buffer[count - 1] &= 0xFF >> beyond;
            }
            used += buffer[..count]
                .iter()
                .map(|byte| u64::from(byte.count_ones()))
                .sum::<u64>();
        }
        Ok(used)
    }

    /// Whether listings leave a file out because it belongs to the file system.
    #[must_use]
    pub fn is_system_file(reference: FileReference) -> bool {
        reference.number() < FIRST_LISTED
    }
}
