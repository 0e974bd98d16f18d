//! Attributes for made volumes.

/// An attribute to put into a record.
#[derive(Clone, Debug)]
pub struct Attribute {
    pub kind: u32,
    pub name: Vec<u16>,
    pub flags: u16,
    pub id: u16,
    pub body: Body,
}

/// Where its value is.
#[derive(Clone, Debug)]
pub enum Body {
    Resident(Vec<u8>),
    Clusters {
        first_vcn: u64,
        /// Place (or hole) and length.
        runs: Vec<(Option<u64>, u64)>,
        allocated: u64,
        real: u64,
        initialised: u64,
        unit_shift: u16,
    },
}

pub const COMPRESSED: u16 = 1;
pub const ENCRYPTED: u16 = 0x4000;
pub const SPARSE: u16 = 0x8000;

pub fn units(name: &str) -> Vec<u16> {
    name.encode_utf16().collect()
}

impl Attribute {
    pub fn resident(kind: u32, name: &str, value: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            name: units(name),
            flags: 0,
            id: 0,
            body: Body::Resident(value.into()),
        }
    }

    /// A whole non-resident attribute.
    pub fn clusters(
        kind: u32,
        name: &str,
        runs: Vec<(Option<u64>, u64)>,
        real: u64,
        cluster_size: u64,
    ) -> Self {
        let count: u64 = runs.iter().map(|run| run.1).sum();
        Self {
            kind,
            name: units(name),
            flags: 0,
            id: 0,
            body: Body::Clusters {
                first_vcn: 0,
                runs,
                allocated: count.wrapping_mul(cluster_size),
                real,
                initialised: real,
                unit_shift: 0,
            },
        }
    }

    pub fn with_flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    pub fn with_initialised(mut self, bytes: u64) -> Self {
        if let Body::Clusters { initialised, .. } = &mut self.body {
            *initialised = bytes;
        }
        self
    }

    pub fn with_sizes(mut self, size: u64, written: u64) -> Self {
        if let Body::Clusters {
            real, initialised, ..
        } = &mut self.body
        {
            (*real, *initialised) = (size, written);
        }
        self
    }

    pub fn with_unit_shift(mut self, shift: u16) -> Self {
        if let Body::Clusters { unit_shift, .. } = &mut self.body {
            *unit_shift = shift;
        }
        self
    }

    /// Cuts the run list into pieces of so many runs.
    pub fn split(&self, runs_each: usize) -> Vec<Self> {
        let Body::Clusters {
            runs,
            allocated,
            real,
            initialised,
            unit_shift,
            ..
        } = &self.body
        else {
            return vec![self.clone()];
        };
        let mut first_vcn = 0;
        runs.chunks(runs_each)
            .map(|runs| {
                let piece = Self {
                    body: Body::Clusters {
                        first_vcn,
                        runs: runs.to_vec(),
                        allocated: *allocated,
                        real: *real,
                        initialised: *initialised,
                        unit_shift: *unit_shift,
                    },
                    ..self.clone()
                };
                first_vcn += runs.iter().map(|run| run.1).sum::<u64>();
                piece
            })
            .collect()
    }

    pub fn first_vcn(&self) -> u64 {
        match &self.body {
            Body::Resident(_) => 0,
            Body::Clusters { first_vcn, .. } => *first_vcn,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 16];
        out[0..4].copy_from_slice(&self.kind.to_le_bytes());
        out[8] = u8::from(matches!(self.body, Body::Clusters { .. }));
        out[9] = self.name.len() as u8;
        out[12..14].copy_from_slice(&self.flags.to_le_bytes());
        out[14..16].copy_from_slice(&self.id.to_le_bytes());
        match &self.body {
            Body::Resident(value) => {
                out.resize(24, 0);
                out[16..20].copy_from_slice(&(value.len() as u32).to_le_bytes());
                self.put_name(&mut out);
                let at = out.len() as u16;
                out[20..22].copy_from_slice(&at.to_le_bytes());
                out[22] = u8::from(self.kind == 0x30);
                out.extend(value);
            }
            Body::Clusters {
                first_vcn,
                runs,
                allocated,
                real,
                initialised,
                unit_shift,
            } => {
                let count: u64 = runs.iter().map(|run| run.1).sum();
                let last = (first_vcn + count).wrapping_sub(1);
                out.resize(64, 0);
                if self.flags != 0 && *first_vcn == 0 {
                    let stored = runs.iter().filter(|run| run.0.is_some());
                    let per = allocated.checked_div(count).unwrap_or(0);
                    let total: u64 = stored.map(|run| run.1 * per).sum();
                    out.extend(total.to_le_bytes());
                }
                out[16..24].copy_from_slice(&first_vcn.to_le_bytes());
                out[24..32].copy_from_slice(&last.to_le_bytes());
                out[34..36].copy_from_slice(&unit_shift.to_le_bytes());
                if *first_vcn == 0 {
                    out[40..48].copy_from_slice(&allocated.to_le_bytes());
                    out[48..56].copy_from_slice(&real.to_le_bytes());
                    out[56..64].copy_from_slice(&initialised.to_le_bytes());
                }
                self.put_name(&mut out);
                let at = out.len() as u16;
                out[32..34].copy_from_slice(&at.to_le_bytes());
                out.extend(run_list(runs));
            }
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let length = out.len() as u32;
        out[4..8].copy_from_slice(&length.to_le_bytes());
        out
    }

    fn put_name(&self, out: &mut Vec<u8>) {
        let at = out.len() as u16;
        out[10..12].copy_from_slice(&at.to_le_bytes());
        out.extend(self.name.iter().flat_map(|unit| unit.to_le_bytes()));
        out.resize(out.len().next_multiple_of(8), 0);
    }
}

fn run_list(runs: &[(Option<u64>, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0i64;
    for (lcn, count) in runs {
        let count = shortest(*count as i64);
        let place = lcn.map_or(Vec::new(), |lcn| {
            let difference = lcn as i64 - last;
            last = lcn as i64;
            shortest(difference)
        });
        out.push((place.len() << 4 | count.len()) as u8);
        out.extend(count);
        out.extend(place);
    }
    out.push(0);
    out
}

/// A number in as few bytes as keep its sign.
fn shortest(value: i64) -> Vec<u8> {
    let bytes = value.to_le_bytes();
    let fits = |count: &usize| {
        let shift = 64 - 8 * *count as u32;
        value << shift >> shift == value
    };
    let count = (1..8).find(fits).unwrap_or(8);
    bytes[..count].to_vec()
}
