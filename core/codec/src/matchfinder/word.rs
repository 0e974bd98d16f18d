//! Reading and comparing words.

/// The four bytes at `at`.
#[inline(always)]
pub(crate) fn load32(window: &[u8], at: usize) -> u32 {
    match window.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => 0,
    }
}

/// The eight bytes at `at`.
#[inline(always)]
pub(crate) fn load64(window: &[u8], at: usize) -> u64 {
    match window.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

/// How many bytes at `a` and at `b` agree, from `length` on (that many are known to), up to `most`.
#[inline(always)]
pub(crate) fn match_length(
    window: &[u8],
    a: usize,
    b: usize,
    mut length: usize,
    most: usize,
) -> usize {
    while length < most {
        let differ = load64(window, a + length) ^ load64(window, b + length);
        if differ != 0 {
            return (length + differ.trailing_zeros() as usize / 8).min(most);
        }
        length += 8;
    }
    most
}
