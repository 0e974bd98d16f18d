//! Attributes compressed by the file system.
//!
//! The clusters of the attribute are cut into units, normally of 16. A unit whose clusters are all
//! stored is plain; one with none stored is zeros; otherwise the first clusters hold LZNT1 data and
//! the rest of the unit is a hole, which is the room saved.

use wimforge_codec::lznt1;

use crate::error::{Fault, Place, Result};
use crate::stream::Clusters;

/// The units of a compressed attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    /// Clusters of a unit.
    pub clusters: u64,
    /// Bytes of a unit.
    pub size: u64,
}

/// Bytes of the largest unit that is believed. Windows has 64 KiB.
const MOST: u64 = 2 << 20;

impl Units {
    /// Units of 2^`shift` clusters; some writers leave the number out.
    pub fn new(shift: u16, cluster_size: u64) -> Result<Self, Fault> {
        let clusters = match shift {
            0 => 16,
            1..=8 => 1 << shift,
            _ => return Err(Fault::UnitSize(shift)),
        };
        let size = clusters * cluster_size;
        if size > MOST {
            return Err(Fault::UnitSize(shift));
        }
        Ok(Self { clusters, size })
    }
}

/// What the clusters of a unit hold.
enum Unit {
    Zeros,
    Plain,
    /// So many clusters of LZNT1 data.
    Packed(u64),
}

/// Reads contents; `buf` ends within the real size.
pub(crate) fn read(
    stream: &Clusters,
    units: Units,
    place: &Place,
    mut offset: u64,
    mut buf: &mut [u8],
) -> Result<()> {
    let mut packed = Vec::new();
    let mut whole = Vec::new();
    while !buf.is_empty() {
        let number = offset / units.size;
        let skip = (offset % units.size) as usize;
        let count = (units.size as usize - skip).min(buf.len());
        let (part, rest) = buf.split_at_mut(count);
        if offset >= stream.initialised {
            part.fill(0);
        } else {
            match unit(stream, units, number).map_err(|fault| fault.at(place))? {
                Unit::Zeros => part.fill(0),
                Unit::Plain => stream.read(offset, part)?,
                Unit::Packed(clusters) => {
                    packed.resize((clusters * stream.context.cluster_size()) as usize, 0);
                    read_stored(stream, number * units.clusters, &mut packed)?;
                    let cause = |cause| {
                        let unit = number;
                        Fault::Unit { unit, cause }.at(place)
                    };
                    if count as u64 == units.size {
                        lznt1::decompress(&packed, part).map_err(cause)?;
                    } else {
                        whole.resize(units.size as usize, 0);
                        lznt1::decompress(&packed, &mut whole).map_err(cause)?;
                        part.copy_from_slice(&whole[skip..skip + count]);
                    }
                }
            }
            let written = stream.initialised - offset;
            if written < count as u64 {
                part[written as usize..].fill(0);
            }
        }
        offset += count as u64;
        buf = rest;
    }
    Ok(())
}

/// Looks at the runs of a unit.
fn unit(stream: &Clusters, units: Units, number: u64) -> Result<Unit, Fault> {
    let start = number * units.clusters;
    let end = start + units.clusters;
    let mut stored = 0;
    let mut hole = false;
    for run in stream.extents.from(start) {
        if run.vcn >= end {
            break;
        }
        let count = run.count.min(end - run.vcn);
        match run.lcn {
            Some(_) if hole => return Err(Fault::UnitHole(number)),
            Some(_) => stored += count,
            None => hole = true,
        }
    }
    Ok(match stored {
        0 => Unit::Zeros,
        _ if stored == units.clusters => Unit::Plain,
        _ => Unit::Packed(stored),
    })
}

/// Reads the stored clusters from `vcn` on, whatever the initialised size.
fn read_stored(stream: &Clusters, vcn: u64, mut buf: &mut [u8]) -> Result<()> {
    let cluster = stream.context.cluster_size();
    for run in stream.extents.from(vcn) {
        let Some(lcn) = run.lcn else { break };
        let bytes = usize::try_from(run.count * cluster).unwrap_or(usize::MAX);
        let (part, rest) = buf.split_at_mut(bytes.min(buf.len()));
        stream.context.read(lcn, 0, part)?;
        buf = rest;
        if buf.is_empty() {
            break;
        }
    }
    Ok(())
}
