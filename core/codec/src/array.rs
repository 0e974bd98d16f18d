//! Large arrays on the heap.

use alloc::boxed::Box;
use alloc::vec;

/// An array that is never on the stack, as one in `Box::new` may be for a moment.
pub(crate) fn boxed<T: Clone, const N: usize>(element: T) -> Box<[T; N]> {
    match vec![element; N].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("the vector has N elements"),
    }
}
