//! Run lists: which clusters of the volume hold an attribute.
//!
//! A run is a number of consecutive clusters, or a hole. The coded list saves space: a header byte
//! says with its low half how many bytes the length takes and with its high half how many bytes the
//! place takes; the place is a signed difference to the place of the run before. A run without a
//! place is a hole; a header of zero ends the list.
//!
//! A *virtual* cluster number (VCN) counts inside the attribute, a *logical* one (LCN) on the volume.

use crate::error::Fault;

/// Iterator over a coded run list: place (or hole) and length of each run.
pub(crate) struct RunList<'a> {
    data: &'a [u8],
    lcn: i64,
    clusters: u64,
}

impl<'a> RunList<'a> {
    /// A list that may use the first `clusters` clusters of the volume.
    pub fn new(data: &'a [u8], clusters: u64) -> Self {
        Self {
            data,
            lcn: 0,
            clusters,
        }
    }

    fn step(&mut self, header: u8, rest: &'a [u8]) -> Result<(Option<u64>, u64), Fault> {
        let (of_length, of_place) = (usize::from(header & 15), usize::from(header >> 4));
        if !(1..=8).contains(&of_length) || of_place > 8 {
            return Err(Fault::RunHeader(header));
        }
        let (Some(length), Some(place)) = (
            rest.get(..of_length),
            rest.get(of_length..of_length + of_place),
        ) else {
            return Err(Fault::RunListCut);
        };
        self.data = &rest[of_length + of_place..];
        let length = signed(length);
        let count = u64::try_from(length)
            .ok()
            .filter(|count| *count > 0)
            .ok_or(Fault::RunLength(length))?;
        if place.is_empty() {
            return Ok((None, count));
        }
        let first = self.lcn.wrapping_add(signed(place));
        let lcn = u64::try_from(first)
            .ok()
            .filter(|lcn| {
                lcn.checked_add(count)
                    .is_some_and(|end| end <= self.clusters)
            })
            .ok_or(Fault::RunOutside { first, count })?;
        self.lcn = first;
        Ok((Some(lcn), count))
    }
}

impl Iterator for RunList<'_> {
    type Item = Result<(Option<u64>, u64), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let data = std::mem::take(&mut self.data);
        match data.split_first() {
            None => Some(Err(Fault::RunListCut)),
            Some((0, _)) => {
                self.data = &[0];
                None
            }
            Some((header, rest)) => {
                let result = self.step(*header, rest);
                if result.is_err() {
                    self.data = &[0];
                }
                Some(result)
            }
        }
    }
}

/// A little-endian number of up to 8 bytes in two's complement.
fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut value = [if negative { 0xFF } else { 0 }; 8];
    value[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(value)
}

/// Consecutive clusters of an attribute that are consecutive on the volume too, or a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First cluster inside of the attribute.
    pub vcn: u64,
    /// First cluster on the volume; `None` for a hole.
    pub lcn: Option<u64>,
    /// Number of clusters.
    pub count: u64,
}

/// Stands for a hole in [`Extents`].
const HOLE: u64 = u64::MAX;

/// All runs of an attribute, in 16 bytes each. Neighbours that continue each other are joined, so a
/// hole that is split between two pieces of an attribute is one hole here.
#[derive(Clone, Debug, Default)]
pub struct Extents {
    /// VCN and LCN at the start of each run.
    starts: Vec<(u64, u64)>,
    end: u64,
}

impl Extents {
    /// Appends the runs of a piece that must describe the clusters up to `end`.
    pub(crate) fn append(
        &mut self,
        run_list: &[u8],
        end: u64,
        clusters: u64,
        most_runs: usize,
    ) -> Result<(), Fault> {
        for run in RunList::new(run_list, clusters) {
            let (lcn, count) = run?;
            let next = self.end.checked_add(count).filter(|next| *next <= end);
            let next = next.ok_or(Fault::RunTotal {
                found: self.end.saturating_add(count),
                expected: end,
            })?;
            self.push(lcn, next, most_runs)?;
        }
        if self.end == end {
            Ok(())
        } else {
            Err(Fault::RunTotal {
                found: self.end,
                expected: end,
            })
        }
    }

    fn push(&mut self, lcn: Option<u64>, next: u64, most_runs: usize) -> Result<(), Fault> {
        let continues = match (self.starts.last(), lcn) {
            (Some((_, HOLE)), None) => true,
            (Some((_, HOLE)), Some(_)) | (None, _) | (Some(_), None) => false,
            (Some((vcn, first)), Some(lcn)) => first + (self.end - vcn) == lcn,
        };
        if !continues {
            if self.starts.len() >= most_runs {
                return Err(Fault::TooManyRuns(most_runs));
            }
            self.starts.push((self.end, lcn.unwrap_or(HOLE)));
        }
        self.end = next;
        Ok(())
    }

    /// Number of clusters, holes included.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Number of runs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are no runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    fn run(&self, index: usize) -> Option<Run> {
        let (vcn, lcn) = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).map_or(self.end, |next| next.0);
        Some(Run {
            vcn,
            lcn: (lcn != HOLE).then_some(lcn),
            count: end - vcn,
        })
    }

    /// The runs from cluster `vcn` on; the first is cut so that it begins there.
    pub fn from(&self, vcn: u64) -> impl Iterator<Item = Run> + '_ {
        let first = self.starts.partition_point(|(start, _)| *start <= vcn);
        (first.saturating_sub(1)..self.starts.len())
            .filter_map(|index| self.run(index))
            .filter(move |run| run.vcn + run.count > vcn)
            .map(move |run| {
                let skip = vcn.saturating_sub(run.vcn);
                Run {
                    vcn: run.vcn + skip,
                    lcn: run.lcn.map(|lcn| lcn + skip),
                    count: run.count - skip,
                }
            })
    }

    /// All runs.
    pub fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.from(0)
    }

    /// The first cluster on the volume.
    #[must_use]
    pub fn first_lcn(&self) -> Option<u64> {
        self.iter().find_map(|run| run.lcn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(list: &[u8], end: u64) -> Result<Extents, Fault> {
        let mut extents = Extents::default();
        extents.append(list, end, 1000, 10).map(|()| extents)
    }

    #[test]
    fn differences_may_be_negative_and_holes_keep_the_place() {
        // 5 clusters at 100; hole of 3; 2 clusters at 90; 300 clusters at 91 + ...
        let list = [
            0x11, 5, 100, 0x01, 3, 0x11, 2, 0xF6, 0x22, 0x2C, 1, 0x2C, 1, 0, 0x55,
        ];
        let extents = extents(&list, 310).unwrap();
        let runs: Vec<_> = extents
            .iter()
            .map(|run| (run.vcn, run.lcn, run.count))
            .collect();
        assert_eq!(
            runs,
            [
                (0, Some(100), 5),
                (5, None, 3),
                (8, Some(90), 2),
                (10, Some(390), 300)
            ]
        );
        let cut: Vec<_> = extents
            .from(6)
            .map(|run| (run.vcn, run.lcn, run.count))
            .collect();
        assert_eq!(cut, [(6, None, 2), (8, Some(90), 2), (10, Some(390), 300)]);
        assert_eq!(extents.from(309).next().unwrap().lcn, Some(689));
        assert_eq!(extents.from(310).next(), None);
        assert_eq!(extents.first_lcn(), Some(100));
    }

    #[test]
    fn neighbours_are_joined() {
        let mut extents = extents(&[0x11, 5, 100, 0x11, 3, 5, 0x01, 2, 0], 10).unwrap();
        extents
            .append(&[0x01, 6, 0x11, 1, 7, 0], 17, 1000, 10)
            .unwrap();
        assert_eq!(extents.len(), 3);
        assert_eq!(extents.from(9).next().unwrap().count, 7);
        assert_eq!(extents.end(), 17);
    }

    #[test]
    fn nonsense_is_refused() {
        let cases: [(&[u8], Fault); 9] = [
            (&[], Fault::RunListCut),
            (&[0x11, 5], Fault::RunListCut),
            (&[0x11, 5, 100], Fault::RunListCut),
            (
                &[0x19, 5, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                Fault::RunHeader(0x19),
            ),
            (&[0x10, 5, 0], Fault::RunHeader(0x10)),
            (&[0x11, 0, 100, 0], Fault::RunLength(0)),
            (&[0x11, 0xFF, 100, 0], Fault::RunLength(-1)),
            (
                &[0x11, 5, 0xFF, 0],
                Fault::RunOutside {
                    first: -1,
                    count: 5,
                },
            ),
            (
                &[0x21, 5, 0xE4, 3, 0],
                Fault::RunOutside {
                    first: 996,
                    count: 5,
                },
            ),
        ];
        for (list, fault) in cases {
            assert_eq!(extents(list, 5).unwrap_err(), fault, "{list:?}");
        }
        assert!(matches!(
            extents(&[0x11, 5, 10, 0], 6),
            Err(Fault::RunTotal { .. })
        ));
        assert!(matches!(
            extents(&[0x11, 5, 10, 0], 4),
            Err(Fault::RunTotal { .. })
        ));
        assert_eq!(
            extents(&[0x11, 1, 2, 0x11, 1, 2].repeat(20), 40).unwrap_err(),
            Fault::TooManyRuns(10)
        );
        let mut list = RunList::new(&[0x08, 255, 255, 255, 255, 255, 255, 255, 127, 0], 10);
        assert_eq!(list.next(), Some(Ok((None, i64::MAX as u64))));
        assert_eq!(list.next(), None);
        assert_eq!(list.next(), None);
    }
}
