//! Working memory that grows to what the largest chunk met needs.

use alloc::{vec, vec::Vec};

/// Makes `entries` at least `size`. If they are too few, new ones, all zero, take their place, and both
/// never take memory at a time.
pub(super) fn make_room<T: Clone + Default>(entries: &mut Vec<T>, size: usize) {
    if entries.len() < size {
        *entries = Vec::new();
        *entries = vec![T::default(); size];
    }
}
