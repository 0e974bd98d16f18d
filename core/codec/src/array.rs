//! Large arrays on the heap.
#![allow(unsafe_code, reason = "the library can make them on the stack only")]

use alloc::boxed::Box;

/// Types whose value may be all zero bits.
///
/// # Safety
/// It must be so.
pub(crate) unsafe trait Zero {}

// SAFETY: integers may have any bits.
unsafe impl Zero for u16 {}
// SAFETY: as above.
unsafe impl Zero for u32 {}
// SAFETY: as above.
unsafe impl Zero for u64 {}
// SAFETY: as above.
unsafe impl Zero for u128 {}
// SAFETY: an array is nothing but its elements.
unsafe impl<T: Zero, const N: usize> Zero for [T; N] {}

/// Zeros that are never on the stack, as those in `Box::new` are where the compiler does not optimise. Memory
/// that is never touched costs nothing.
pub(crate) fn zeroed<T: Zero>() -> Box<T> {
    // SAFETY: zero bits are a value of `T`.
    unsafe { Box::new_zeroed().assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_zero() {
        let array: Box<[[u32; 1000]; 3]> = zeroed();
        assert!(array.as_flattened().iter().all(|&element| element == 0));
    }
}
