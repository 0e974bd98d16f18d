//! Copying a match: `length` bytes from `offset` back, as if byte by byte.
//!
//! Matches come from the input and may be anything, so they are checked here, once. Most are short, and
//! what costs time is not bytes but branches that cannot be foretold: therefore whole words are moved,
//! which writes some bytes too many; the next items overwrite those. Near the end of the output, where
//! there is no room for that, bytes are moved one by one.

use crate::DecodeError;

/// Bytes after a match that must exist for words to be moved.
const SLACK: usize = 48;

/// Copies a match within `out` to `pos`.
///
/// # Errors
/// [`DecodeError::BadOffset`] if the offset is 0 or reaches back before the start,
/// [`DecodeError::BadLength`] if the match runs past the end.
#[inline(always)]
pub(crate) fn copy_match(
    out: &mut [u8],
    pos: usize,
    offset: usize,
    length: usize,
) -> Result<(), DecodeError> {
    if offset.wrapping_sub(1) >= pos {
        return Err(DecodeError::BadOffset);
    }
    if length < out.len().saturating_sub(SLACK).saturating_sub(pos) {
        leaf::copy_words(out, pos, offset, length);
        Ok(())
    } else {
        copy_bytes(out, pos, offset, length)
    }
}

/// The same byte by byte.
#[cold]
#[inline(never)]
fn copy_bytes(out: &mut [u8], pos: usize, offset: usize, length: usize) -> Result<(), DecodeError> {
    match out.get_mut(pos - offset..) {
        Some(window) if length <= window.len().saturating_sub(offset) => {
            for i in 0..length {
                window[offset + i] = window[i];
            }
            Ok(())
        }
        _ => Err(DecodeError::BadLength),
    }
}

/// What moves words without checking each of them.
mod leaf {
    #![allow(unsafe_code)]

    use super::SLACK;
    use core::ptr;

    /// Copies a match and up to 15 bytes more.
    ///
    /// # Panics
    /// Unless `1 <= offset <= pos` and more than `length + SLACK` bytes follow `pos`; callers have
    /// tested that already, so the compiler drops the test.
    #[inline(always)]
    pub(super) fn copy_words(out: &mut [u8], pos: usize, offset: usize, length: usize) {
        assert!(
            offset.wrapping_sub(1) < pos
                && length < out.len().saturating_sub(SLACK).saturating_sub(pos)
        );
        // SAFETY: `pos` is inside of `out`, and `offset` bytes before it too.
        let (to, from) = unsafe {
            let to = out.as_mut_ptr().add(pos);
            (to, to.sub(offset))
        };
        if offset >= 8 {
            // SAFETY: the range read ends before the one written begins plus 16 bytes. Writing begins
            // before `length`, so it ends less than 16 bytes after the match.
            unsafe {
                move_word::<8>(from, to);
                move_word::<8>(from.add(8), to.add(8));
                if length > 16 {
                    move_word::<8>(from.add(16), to.add(16));
                    move_word::<8>(from.add(24), to.add(24));
                    let mut done = 32;
                    while done < length {
                        move_word::<8>(from.add(done), to.add(done));
                        move_word::<8>(from.add(done + 8), to.add(done + 8));
                        done += 16;
                    }
                }
            }
        } else {
            // SAFETY: as above.
            unsafe { copy_near(from, to, offset, length) }
        }
    }

    /// A repeated pattern of up to 15 bytes.
    ///
    /// # Safety
    /// `from` is `offset` bytes before `to`, 1 to 15, and at least `length + 16` bytes after `to` can be
    /// written.
    #[inline(never)]
    unsafe fn copy_near(from: *const u8, to: *mut u8, offset: usize, length: usize) {
        // SAFETY: every word written begins before `length` and is 8 bytes long; every word read begins
        // before the one written.
        unsafe {
            if offset >= 8 {
                let mut done = 0;
                while done < length {
                    move_word::<8>(from.add(done), to.add(done));
                    done += 8;
                }
            } else {
                // As many repetitions as fit a word: copies of the pattern do not overlap, so a
                // multiplication puts them in place.
                let pattern = from.cast::<u64>().read_unaligned().to_le();
                let pattern = pattern & !(u64::MAX << (8 * offset));
                let word = pattern.wrapping_mul(REPEAT[offset]).to_le();
                let mut done = 0;
                while done < length {
                    to.add(done).cast::<u64>().write_unaligned(word);
                    done += STRIDE[offset];
                }
            }
        }
    }

    /// Ones at multiples of so many bytes.
    const REPEAT: [u64; 8] = {
        let mut repeat = [0; 8];
        let mut offset = 1;
        while offset < 8 {
            let mut at = 0;
            while at < 8 {
                repeat[offset] |= 1 << (8 * at);
                at += offset;
            }
            offset += 1;
        }
        repeat
    };

    /// The greatest multiple of the offset that fits a word.
    const STRIDE: [usize; 8] = [8, 8, 8, 6, 8, 5, 6, 7];

    /// Reads `N` bytes, then writes them.
    ///
    /// # Safety
    /// As many bytes must be readable and writable.
    #[inline(always)]
    unsafe fn move_word<const N: usize>(from: *const u8, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe {
            let word = from.cast::<[u8; N]>().read();
            ptr::write(to.cast::<[u8; N]>(), word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn leaf_as_byte_by_byte() {
        let sizes: &[usize] = if cfg!(miri) {
            &[60, 130]
        } else {
            &[60, 100, 300]
        };
        for &size in sizes {
            let plain: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
            for offset in 0..=41 {
                for length in 0..=size - 40 + 1 {
                    let (mut fast, mut slow) = (plain.clone(), plain.clone());
                    let result = copy_match(&mut fast, 40, offset, length);
                    if (1..=40).contains(&offset) {
                        assert_eq!(result, copy_bytes(&mut slow, 40, offset, length));
                        let end = (40 + length).min(size);
                        assert_eq!(fast[..end], slow[..end]);
                    } else {
                        assert_eq!(result, Err(DecodeError::BadOffset));
                        assert_eq!(fast, plain);
                    }
                }
            }
        }
    }

    #[test]
    fn leaf_refuses_places_outside() {
        let mut out = [0; 100];
        for pos in [100, 101, usize::MAX] {
            for length in [1, 3, usize::MAX] {
                assert_eq!(
                    copy_match(&mut out, pos, 1, length),
                    Err(DecodeError::BadLength)
                );
            }
        }
    }
}
