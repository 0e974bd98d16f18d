//! Bytes to fill streams with.

/// Bytes that do not repeat soon and hardly compress.
pub fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Bytes that compress.
pub fn text(count: usize) -> Vec<u8> {
    let words = ["alpha ", "beta ", "gamma ", "delta ", "\r\n", "0x1234, "];
    let choices = noise(count, 99);
    choices
        .iter()
        .flat_map(|choice| words[usize::from(*choice) % words.len()].bytes())
        .take(count)
        .collect()
}
