//! The hash of data whose pieces are read by several workers.
//!
//! SHA-1 takes one piece after the other, but who has read a piece can hash it as soon as those before it
//! are done. So it goes from worker to worker, and the driver has nothing to do with it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::hash::{Hasher, Sha1};

/// See the module's page.
pub(super) struct Relay {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    hasher: Hasher,
    /// Where the piece begins whose turn it is.
    next: u64,
    /// A piece could not be read: nothing from there on counts.
    is_broken: bool,
}

impl Relay {
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                hasher: Hasher::new(),
                next: 0,
                is_broken: false,
            }),
            moved: Condvar::new(),
        }
    }

    /// The turn of the piece of `len` bytes at `start`. It is over when this is dropped, so there must be one for
    /// every piece, and work on pieces has to begin in their order.
    pub fn turn(&self, start: u64, len: u64) -> Turn<'_> {
        Turn {
            relay: self,
            start,
            end: start + len,
            is_taken: false,
        }
    }

    /// The hash of all pieces up to the first that could not be read.
    pub fn hash(&self) -> Sha1 {
        self.lock().hasher.clone().finish()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of the piece at `start`.
    fn wait(&self, start: u64) -> MutexGuard<'_, State> {
        let state = self.lock();
        let wait = self.moved.wait_while(state, |state| state.next != start);
        wait.unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Relay::turn`].
pub(super) struct Turn<'a> {
    relay: &'a Relay,
    start: u64,
    end: u64,
    is_taken: bool,
}

impl Turn<'_> {
    /// Hashes the piece.
    pub fn take(mut self, data: &[u8]) {
        let mut state = self.relay.wait(self.start);
        if !state.is_broken {
            state.hasher.update(data);
        }
        self.is_taken = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.relay.wait(self.start);
        state.is_broken |= !self.is_taken;
        state.next = self.end;
        self.relay.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&[u8]; 4] = [b"one", b"and two", b"three", b"four"];

    /// The pieces' turns, each on a thread of its own, the last first; without the one that fails.
    #[allow(clippy::disallowed_methods, reason = "a test is its own host")]
    fn relayed(failing: Option<usize>) -> Sha1 {
        let relay = Relay::new();
        let mut start = 0;
        let mut turns = Vec::new();
        for piece in PIECES {
            turns.push((relay.turn(start, piece.len() as u64), piece));
            start += piece.len() as u64;
        }
        std::thread::scope(|scope| {
            for (i, (turn, piece)) in turns.into_iter().enumerate().rev() {
                scope.spawn(move || {
                    if failing != Some(i) {
                        turn.take(piece);
                    }
                });
            }
        });
        relay.hash()
    }

    #[test]
    fn pieces_are_hashed_in_their_order() {
        assert_eq!(relayed(None), Sha1::of(&PIECES.concat()));
    }

    #[test]
    fn nothing_counts_behind_a_piece_that_is_missing() {
        assert_eq!(relayed(Some(2)), Sha1::of(&PIECES[..2].concat()));
        assert_eq!(relayed(Some(0)), Sha1::of(b""));
    }
}
