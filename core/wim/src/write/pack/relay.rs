//! Hashes of streams whose pieces are read by several workers.
//!
//! SHA-1 takes one piece after the other, but who has read a piece can hash it as soon as those before it
//! are done. So the hashes go from worker to worker, and the driver has nothing to do with them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::hash::{Hasher, Sha1};

/// Lets workers hash in the order in which their tasks were queued.
#[derive(Default)]
pub(super) struct Relay {
    /// Whose turn it is.
    next: Mutex<u64>,
    moved: Condvar,
}

/// The hash of a stream, as far as it has come.
#[derive(Default)]
pub(super) struct StreamHash(Mutex<State>);

#[derive(Default)]
struct State {
    hasher: Hasher,
    /// A piece could not be read: nothing from there on counts.
    is_broken: bool,
}

/// See [`Relay::turn`].
pub(super) struct Turn<'a> {
    relay: &'a Relay,
    number: u64,
}

impl Relay {
    /// The turn of the task with this number. It is over when this is dropped, so there must be one for every
    /// number, and work has to begin in their order.
    pub fn turn(&self, number: u64) -> Turn<'_> {
        Turn {
            relay: self,
            number,
        }
    }

    fn next(&self) -> MutexGuard<'_, u64> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn with this number.
    fn wait(&self, number: u64) -> MutexGuard<'_, u64> {
        let wait = self.moved.wait_while(self.next(), |next| *next != number);
        wait.unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamHash {
    /// The hash of all pieces up to the first that could not be read.
    pub fn so_far(&self) -> Sha1 {
        self.state().hasher.clone().finish()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Hashes the next piece of each stream, all of them at once; `None` is one that could not be read.
    pub fn hash(self, pieces: &[(&StreamHash, Option<&[u8]>)]) {
        drop(self.relay.wait(self.number));
        let states = pieces.iter().map(|(hash, piece)| (hash.state(), piece));
        let mut states: Vec<_> = states.collect();
        Hasher::update_together(states.iter_mut().filter_map(|(state, piece)| {
            state.is_broken |= piece.is_none();
            piece
                .filter(|_| !state.is_broken)
                .map(|piece| (&mut state.hasher, piece))
        }));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.relay.wait(self.number) += 1;
        self.relay.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&[u8]; 4] = [b"one", b"and two", b"three", b"four"];

    /// The hashes of two streams, whose pieces have their turns each on a thread of its own, the last first; one
    /// piece of the second may fail.
    #[allow(clippy::disallowed_methods, reason = "a test is its own host")]
    fn relayed(failing: Option<usize>) -> [Sha1; 2] {
        let relay = Relay::default();
        let hashes = [StreamHash::default(), StreamHash::default()];
        let turns: Vec<_> = (0..).map(|n| relay.turn(n)).zip(PIECES).collect();
        std::thread::scope(|scope| {
            for (i, (turn, piece)) in turns.into_iter().enumerate().rev() {
                let [a, b] = &hashes;
                scope.spawn(move || {
                    let other = (failing != Some(i)).then_some(&piece[1..]);
                    turn.hash(&[(a, Some(piece)), (b, other)]);
                });
            }
        });
        hashes.map(|hash| hash.so_far())
    }

    #[test]
    fn pieces_are_hashed_in_their_order() {
        let others = PIECES.map(|piece| &piece[1..]).concat();
        assert_eq!(
            relayed(None),
            [Sha1::of(&PIECES.concat()), Sha1::of(&others)]
        );
    }

    #[test]
    fn nothing_counts_behind_a_piece_that_is_missing() {
        for failing in [0, 2] {
            let [whole, part] = relayed(Some(failing));
            let others = PIECES.map(|piece| &piece[1..])[..failing].concat();
            assert_eq!(whole, Sha1::of(&PIECES.concat()));
            assert_eq!(part, Sha1::of(&others));
        }
    }

    #[test]
    fn a_turn_that_is_not_taken_passes() {
        let (relay, hash) = (Relay::default(), StreamHash::default());
        drop(relay.turn(0));
        relay.turn(1).hash(&[(&hash, Some(b"data"))]);
        assert_eq!(hash.so_far(), Sha1::of(b"data"));
    }
}
