//! Times as Windows keeps them.

/// A moment in units of 100 ns since 1601-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileTime(pub u64);

/// 1970-01-01 in these units.
const UNIX_EPOCH: i128 = 116_444_736_000_000_000;
const PER_SECOND: i128 = 10_000_000;

impl FileTime {
    /// From seconds and nanoseconds since 1970, rounded down to 100 ns. What lies outside of the
    /// range of this type becomes its first or last moment.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        let ticks = i128::from(seconds) * PER_SECOND + i128::from(nanoseconds) / 100 + UNIX_EPOCH;
        Self(ticks.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// As seconds (rounded down) and nanoseconds since 1970.
    #[must_use]
    pub fn to_unix(self) -> (i64, u32) {
        let ticks = i128::from(self.0) - UNIX_EPOCH;
        let seconds = ticks.div_euclid(PER_SECOND);
        let rest = ticks.rem_euclid(PER_SECOND) * 100;
        (seconds as i64, rest as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_times_map_both_ways() {
        assert_eq!(FileTime::from_unix(0, 0).0, 116_444_736_000_000_000);
        assert_eq!(
            FileTime::from_unix(-1, 999_999_999).to_unix(),
            (-1, 999_999_900)
        );
        assert_eq!(
            FileTime::from_unix(1_700_000_000, 199).to_unix(),
            (1_700_000_000, 100)
        );
        assert_eq!(FileTime::from_unix(i64::MIN, 0).0, 0);
        assert_eq!(FileTime::from_unix(i64::MAX, 0).0, u64::MAX);
    }
}
