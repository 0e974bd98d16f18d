//! Sorting what is short or rare.
//!
//! The sorts of the standard library are fast and each takes four kilobytes of a component, for every type and
//! order. This one is compiled once, and a little slower.

use std::cmp::Ordering;

/// Sorts stably.
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    sort_indices(&mut order, &mut |a, b| compare(&items[a], &items[b]));
    arrange(items, &mut order);
}

fn sort_indices(order: &mut [usize], compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    order.sort_unstable_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
}

/// Puts at each place the item whose number stands there, and the number of the place.
fn arrange<T>(items: &mut [T], order: &mut [usize]) {
    for start in 0..items.len() {
        let mut place = start;
        loop {
            let next = std::mem::replace(&mut order[place], place);
            if next == start {
                break;
            }
            items.swap(place, next);
            place = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_stably(keys in proptest::collection::vec(0u8..20, 0..200)) {
            let mut items: Vec<_> = keys.iter().copied().enumerate().collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.1);
            super::sort_by(&mut items, |a, b| a.1.cmp(&b.1));
            prop_assert_eq!(items, expected);
        }
    }
}
