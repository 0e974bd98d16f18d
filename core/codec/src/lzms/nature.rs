//! What kind of data lies ahead, as far as delta matches are concerned.
//!
//! Sounds, pictures and tables of measured numbers hardly ever repeat bytes, but the differences between
//! neighbouring samples are small. That shows in the frequencies: there differences have less entropy
//! than the bytes themselves, which in text and code they have not.

/// Bytes that are judged together.
pub(super) const STRETCH: usize = 16 << 10;
/// Of so many bytes, the first [`RUN`] are looked at. Not a divisor of what files are paged by.
const STEP: usize = 1811;
const RUN: usize = 128;
/// Fewer bytes tell nothing.
const LEAST: u32 = 2 * RUN as u32;
/// Log2 of the spans: 1 to 32 bytes.
const POWERS: usize = 6;
const LONGEST_SPAN: usize = 1 << (POWERS - 1);

/// Number of spans that are named.
pub(super) const BEST: usize = 4;
/// Log2 of spans.
pub(super) type Powers = [u8; BEST];

/// Entropies are in 1/64 bit.
const BIT: i32 = 64;
/// In a signal bytes have at least so much; in tables, which have less, differences repeat at length.
const LEAST_ENTROPY: i32 = 5 * BIT + BIT / 4;
/// And differences have so much less, at least.
const LEAST_GAIN: i32 = BIT / 2;
/// Where differences have so much more, at least, there may be nothing in them.
const LOSS: i32 = 3 * BIT / 2;

/// What was found out about a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nature {
    /// Spans whose differences have the least entropy, the best first.
    pub(super) spans: Powers,
    /// Entropy of the bytes.
    entropy: i32,
    /// How much less that of the best differences is.
    gain: i32,
}

impl Nature {
    /// Looks at the stretch that begins at `at`, if it is long enough to tell.
    pub(super) fn of(data: &[u8], at: usize) -> Option<Self> {
        let end = data.len().min(at + STRETCH);
        let mut bytes = Histogram::EMPTY;
        let mut differences = [Histogram::EMPTY; POWERS];
        for run in (at.max(LONGEST_SPAN)..end).step_by(STEP) {
            let Some(view) = data.get(run - LONGEST_SPAN..run + RUN) else {
                break;
            };
            for here in LONGEST_SPAN..view.len() {
                let byte = view[here];
                bytes.add(byte);
                for (power, histogram) in differences.iter_mut().enumerate() {
                    histogram.add(byte.wrapping_sub(view[here - (1 << power)]));
                }
            }
        }
        if bytes.total < LEAST {
            return None;
        }
        let mut spans: [(i32, u8); POWERS] =
            core::array::from_fn(|power| (differences[power].entropy(), power as u8));
        spans.sort_unstable();
        let entropy = bytes.entropy();
        Some(Self {
            spans: core::array::from_fn(|i| spans[i].1),
            entropy,
            gain: entropy - spans[0].0,
        })
    }

    /// Whether differences promise more than bytes.
    pub(super) fn is_signal(&self) -> bool {
        self.entropy >= LEAST_ENTROPY && self.gain >= LEAST_GAIN
    }

    /// Whether differences promise nothing.
    pub(super) fn is_without_differences(&self) -> bool {
        self.gain < -LOSS
    }
}

/// How often each byte was met.
#[derive(Clone, Copy)]
pub(super) struct Histogram {
    counts: [u16; 256],
    total: u32,
}

impl Histogram {
    const EMPTY: Self = Self {
        counts: [0; 256],
        total: 0,
    };

    /// Of at most 65,535 bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut histogram = Self::EMPTY;
        for &byte in bytes {
            histogram.add(byte);
        }
        histogram
    }

    /// Information in meeting `byte`.
    pub(super) fn information(&self, byte: usize) -> i32 {
        log2(self.total) as i32 - log2(u32::from(self.counts[byte])) as i32
    }

    /// Whether one byte makes up a quarter.
    pub(super) fn is_dominated(&self) -> bool {
        let most = self.counts.iter().max();
        most.is_some_and(|&most| u32::from(most) > self.total / 4)
    }

    #[inline(always)]
    fn add(&mut self, byte: u8) {
        self.counts[usize::from(byte)] += 1;
        self.total += 1;
    }

    /// Information in one byte on average.
    pub(super) fn entropy(&self) -> i32 {
        let weighted: u32 = self
            .counts
            .iter()
            .map(|&count| u32::from(count) * log2(u32::from(count)))
            .sum();
        (log2(self.total) - weighted / self.total.max(1)) as i32
    }
}

/// Binary logarithm in 1/64, of 0 as of 1; between powers of two on a straight line.
const fn log2(number: u32) -> u32 {
    let number = if number == 0 { 1 } else { number };
    let whole = number.ilog2();
    BIT as u32 * whole + (((number - (1 << whole)) * BIT as u32) >> whole)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Pseudo-random numbers.
    fn noise() -> impl Iterator<Item = u32> {
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        core::iter::successors(Some(1u32), next).map(|state| state >> 16)
    }

    #[test]
    fn a_walk_of_samples_is_a_signal() {
        let mut sample = 0u16;
        let samples = noise().take(STRETCH / 2).flat_map(|step| {
            sample = sample.wrapping_add((step % 60) as u16).wrapping_sub(29);
            sample.wrapping_mul(3).to_le_bytes()
        });
        let samples: Vec<u8> = samples.collect();
        let nature = Nature::of(&samples, 0).unwrap();
        assert!(nature.is_signal(), "{nature:?}");
        assert_eq!(nature.spans[0], 1);
    }

    #[test]
    fn noise_letters_and_zeros_are_none() {
        let of = |bytes: Vec<u8>| Nature::of(&bytes, 0).unwrap();
        let noise: Vec<u8> = noise().take(STRETCH).map(|n| n as u8).collect();
        let letters: Vec<u8> = noise
            .iter()
            .map(|&n| [0, b'a', b'z', b'~'][usize::from(n % 4)])
            .collect();
        assert!(!of(noise).is_signal());
        let nature = of(letters);
        assert!(!nature.is_signal() && !nature.is_without_differences());
        assert!(!of([0; STRETCH].to_vec()).is_signal());
        assert_eq!(Nature::of(&[1; 100], 0), None);
    }

    #[test]
    fn logarithms_are_those_of_powers_and_between() {
        assert_eq!([0, 1, 2, 3, 4, 1024].map(log2), [0, 0, 64, 96, 128, 640]);
    }
}
