//! One value from one thread to another.
//!
//! The channels of the standard library can do it, but each has three kinds of queues in it, compiled for
//! each type of value: that was a thirtieth of a component.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where the value is put.
pub struct Sender<T>(Arc<Shared<T>>);

/// Where it is taken.
pub struct Receiver<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    settled: Condvar,
}

enum State<T> {
    Awaited,
    Sent(T),
    /// The sender is gone, or the value was taken.
    Over,
}

/// Both ends.
pub fn one_shot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::Awaited),
        settled: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the waiting, once.
    fn settle(&self, end: State<T>) {
        let mut state = self.lock();
        if matches!(*state, State::Awaited) {
            *state = end;
            self.settled.notify_one();
        }
    }
}

impl<T> Sender<T> {
    /// Gives the value away; it is dropped if nobody wants it any more.
    pub fn send(self, value: T) {
        self.0.settle(State::Sent(value));
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.settle(State::Over);
    }
}

impl<T> Receiver<T> {
    /// Waits for the value; `None` if the sender was dropped without one.
    pub fn receive(self) -> Option<T> {
        let mut state = self.0.lock();
        while matches!(*state, State::Awaited) {
            let waited = self.0.settled.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Sent(value) => Some(value),
            State::Awaited | State::Over => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests are a host")]
mod tests {
    use super::*;

    #[test]
    fn a_value_arrives_before_and_after_it_is_awaited() {
        let (sender, receiver) = one_shot();
        sender.send(1);
        assert_eq!(receiver.receive(), Some(1));
        let (sender, receiver) = one_shot();
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| receiver.receive());
            sender.send(2);
            assert_eq!(waiting.join().unwrap(), Some(2));
        });
    }

    #[test]
    fn a_sender_that_is_dropped_ends_the_waiting() {
        let (sender, receiver) = one_shot::<u8>();
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| receiver.receive());
            drop(sender);
            assert_eq!(waiting.join().unwrap(), None);
        });
    }

    #[test]
    fn what_nobody_takes_is_dropped() {
        let value = Arc::new(());
        let (sender, receiver) = one_shot();
        drop(receiver);
        sender.send(Arc::clone(&value));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
