//! The contents of an attribute, at any offset.
//!
//! A [`Stream`] has all that is needed to read: it does not borrow from the volume, and reads take
//! `&self`, so that workers can share one or have one each.
//!
//! Three sizes rule a non-resident attribute. The *allocated* size is that of its clusters. The
//! *real* size is where the contents end. The *initialised* size is how far they were ever written:
//! what lies behind it in the clusters is rubbish of former owners and reads as zeros.

use std::sync::Arc;

use crate::attribute::{Attribute, Form, Storage};
use crate::compressed::{self, Units};
use crate::context::Context;
use crate::error::{At as _, Error, Fault, Place, Result, Unsupported};
use crate::runs::Extents;
use crate::wof::Wof;

/// The readable contents of an attribute.
pub struct Stream {
    place: Place,
    size: u64,
    body: Body,
}

enum Body {
    Resident { value: Box<[u8]>, offset: u64 },
    Clusters(Clusters),
    Wof(Box<Wof>),
}

/// The contents of a non-resident attribute.
pub(crate) struct Clusters {
    pub context: Arc<Context>,
    pub extents: Extents,
    pub initialised: u64,
    /// Compression units, if the attribute is compressed.
    pub units: Option<Units>,
}

impl Stream {
    /// A stream over a resident value that lies at `offset` on the device.
    pub(crate) fn resident(place: Place, value: &[u8], offset: u64) -> Self {
        Self {
            place,
            size: value.len() as u64,
            body: Body::Resident {
                value: value.into(),
                offset,
            },
        }
    }

    /// Joins the pieces of a non-resident attribute, which come in the order of their VCNs.
    pub(crate) fn join<'a>(
        context: &Arc<Context>,
        place: Place,
        pieces: impl IntoIterator<Item = Attribute<'a>>,
    ) -> Result<Self> {
        let mut extents = Extents::default();
        let mut first = None;
        for attribute in pieces {
            let Form::NonResident(piece) = attribute.form else {
                return Err(Fault::TwiceThere.at(place));
            };
            if piece.first_vcn != extents.end() {
                return Err(Fault::PieceGap(piece.first_vcn).at(place));
            }
            extents
                .append(
                    piece.run_list,
                    piece.end_vcn,
                    context.geometry.clusters,
                    context.limits.runs,
                )
                .at(&place)?;
            first.get_or_insert((attribute.storage, piece));
        }
        let Some((storage, piece)) = first else {
            return Err(Fault::NoAttribute.at(place));
        };
        if extents.end().checked_mul(context.cluster_size()) != Some(piece.allocated) {
            let fault = Fault::AllocatedSize {
                allocated: piece.allocated,
                clusters: extents.end(),
            };
            return Err(fault.at(place));
        }
        let units = units(storage, piece.unit_shift, context, &place)?;
        Ok(Self {
            place,
            size: piece.real,
            body: Body::Clusters(Clusters {
                context: Arc::clone(context),
                extents,
                initialised: piece.initialised,
                units,
            }),
        })
    }

    /// The contents of a file compressed by the system, in place of its own stream.
    pub(crate) fn wof(place: Place, size: u64, wof: Wof) -> Self {
        Self {
            place,
            size,
            body: Body::Wof(Box::new(wof)),
        }
    }

    /// Bytes of the contents.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is read here, for messages.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where on the device the first stored byte is; `None` if nothing is stored. Reading streams
    /// in this order spares a disk most of its seeks.
    #[must_use]
    pub fn physical_offset(&self) -> Option<u64> {
        match &self.body {
            Body::Resident { offset, .. } => Some(*offset),
            Body::Clusters(clusters) => {
                let lcn = clusters.extents.first_lcn()?;
                Some(clusters.context.geometry.offset(lcn))
            }
            Body::Wof(wof) => wof.packed().physical_offset(),
        }
    }

    /// Reads at multiples of this many bytes, and of multiples of this many bytes, decode nothing
    /// twice.
    #[must_use]
    pub fn granularity(&self) -> u64 {
        match &self.body {
            Body::Resident { .. } => 1,
            Body::Clusters(clusters) => clusters.units.map_or(1, |units| units.size),
            Body::Wof(wof) => u64::from(wof.chunk_size()),
        }
    }

    /// The runs of a non-resident stream that is stored as such.
    #[must_use]
    pub fn extents(&self) -> Option<&Extents> {
        match &self.body {
            Body::Clusters(clusters) => Some(&clusters.extents),
            Body::Resident { .. } | Body::Wof(_) => None,
        }
    }

    /// Bytes of the contents before the first that was never written.
    pub(crate) fn initialised(&self) -> u64 {
        match &self.body {
            Body::Clusters(clusters) => clusters.initialised,
            Body::Resident { .. } | Body::Wof(_) => self.size,
        }
    }

    /// Fills `buf` with the contents from `offset` on and returns how many bytes there were: less
    /// than `buf.len()` only at the end of the contents.
    ///
    /// # Errors
    /// The device's, or damage of the compressed form.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..count];
        if buf.is_empty() {
            return Ok(0);
        }
        match &self.body {
            Body::Resident { value, .. } => {
                let start = offset as usize;
                buf.copy_from_slice(&value[start..start + count]);
            }
            Body::Clusters(clusters) => match clusters.units {
                None => clusters.read(offset, buf)?,
                Some(units) => compressed::read(clusters, units, &self.place, offset, buf)?,
            },
            Body::Wof(wof) => wof.read(&self.place, self.size, offset, buf)?,
        }
        Ok(count)
    }

    /// Fills all of `buf`.
    pub(crate) fn read_exact(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let length = buf.len();
        if self.read_at(offset, buf)? == length {
            Ok(())
        } else {
            let length = length as u64;
            Err(Fault::ReadRange { offset, length }.at(&self.place))
        }
    }

    /// All contents, if they have at most `most` bytes.
    pub(crate) fn read_all(&self, most: u64, what: &'static str) -> Result<Vec<u8>> {
        if self.size > most {
            return Err(Error::Limit {
                place: self.place.clone(),
                what,
                most,
            });
        }
        let mut data = vec![0; self.size as usize];
        self.read_exact(0, &mut data)?;
        Ok(data)
    }
}

/// How the contents are compressed, if they are.
fn units(storage: Storage, shift: u16, context: &Context, place: &Place) -> Result<Option<Units>> {
    if storage.is_encrypted() {
        return Err(Error::Unsupported {
            place: place.clone(),
            reason: Unsupported::Encrypted,
        });
    }
    match storage.method() {
        0 => Ok(None),
        1 => Units::new(shift, context.cluster_size())
            .map(Some)
            .at(place),
        method => Err(Error::Unsupported {
            place: place.clone(),
            reason: Unsupported::AttributeCompression(method),
        }),
    }
}

impl Clusters {
    /// Reads plain contents; `buf` ends within the allocated size.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let written = self.initialised.saturating_sub(offset);
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        let (mut rest, zeros) = buf.split_at_mut(written.min(buf.len()));
        zeros.fill(0);
        if rest.is_empty() {
            return Ok(());
        }
        let cluster = self.context.cluster_size();
        let mut skip = offset % cluster;
        for run in self.extents.from(offset / cluster) {
            let bytes = run.count * cluster - skip;
            let count = usize::try_from(bytes).unwrap_or(usize::MAX).min(rest.len());
            let (part, behind) = rest.split_at_mut(count);
            match run.lcn {
                Some(lcn) => self.context.read(lcn, skip, part)?,
                None => part.fill(0),
            }
            rest = behind;
            skip = 0;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
