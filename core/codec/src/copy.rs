//! Copying a match: `length` bytes from `offset` back, as if byte by byte.
//!
//! Most matches are short and reach back at least a word, so the usual case moves words and may write
//! a few bytes too many, which the next items overwrite. Near the end of the output, where that is
//! not allowed, bytes are moved one by one. A shorter offset repeats a pattern: once a multiple of the
//! offset of at least eight bytes is in place, words can be moved over that distance.

/// Copies within `out`. The caller has checked that `1 <= offset <= pos` and
/// `pos + length <= out.len()`.
#[inline(always)]
pub(crate) fn copy_match(out: &mut [u8], pos: usize, offset: usize, length: usize) {
    let end = pos + length;
    let src = pos - offset;
    if end + 32 <= out.len() && offset >= 16 {
        let window = &mut out[src..end + 32];
        let mut done = 0;
        loop {
            move_words::<16>(window, done, offset + done);
            done += 16;
            if done >= length {
                break;
            }
        }
    } else {
        copy_rare(out, pos, offset, length);
    }
}

#[inline(always)]
fn move_words<const N: usize>(window: &mut [u8], from: usize, to: usize) {
    let mut word = [0u8; N];
    word.copy_from_slice(&window[from..from + N]);
    window[to..to + N].copy_from_slice(&word);
}

#[inline(never)]
fn copy_rare(out: &mut [u8], pos: usize, offset: usize, length: usize) {
    let end = pos + length;
    if end + 16 > out.len() {
        for i in pos..end {
            out[i] = out[i - offset];
        }
        return;
    }
    if offset == 1 {
        let byte = out[pos - 1];
        out[pos..end].fill(byte);
        return;
    }
    let (mut at, mut distance) = (pos, offset);
    if offset < 8 {
        distance = offset * [0, 8, 4, 3, 2, 2, 2, 2][offset];
        for i in pos..pos + distance {
            out[i] = out[i - offset];
        }
        at += distance;
    }
    while at < end {
        move_words::<8>(out, at - distance, at);
        at += 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn same_as_byte_by_byte() {
        for size in [60usize, 100, 300] {
            for offset in 1..40 {
                for length in 0..size - 40 {
                    let mut fast: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
                    let mut slow = fast.clone();
                    copy_match(&mut fast, 40, offset, length);
                    for i in 40..40 + length {
                        slow[i] = slow[i - offset];
                    }
                    assert_eq!(fast[..40 + length], slow[..40 + length]);
                }
            }
        }
    }
}
