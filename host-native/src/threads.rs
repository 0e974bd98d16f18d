//! Workers on threads.

use std::num::NonZeroUsize;

use crossbeam_channel::{Sender, unbounded};
use wimforge_core::port::{Drive, Pool, Task, WorkerState, Workers};

/// A fixed number of threads, started for each scope.
#[derive(Clone, Copy, Debug)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// So many threads; as many as processors are available for 0.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self(NonZeroUsize::new(count).unwrap_or_else(available))
    }
}

struct Queue<'env>(Sender<Task<'env>>);

impl<'env> Pool<'env> for Queue<'env> {
    fn spawn(&self, task: Task<'env>) {
        // Fails only if every worker has died of a panic. The task is dropped then, and whoever
        // waits for its result is told.
        let _ = self.0.send(task);
    }
}

impl Workers for Threads {
    fn threads(&self) -> usize {
        self.0.get()
    }

    fn scope<'env>(&self, drive: Drive<'env>) {
        let (sender, receiver) = unbounded::<Task<'env>>();
        std::thread::scope(|scope| {
            for _ in 0..self.0.get() {
                let receiver = receiver.clone();
                scope.spawn(move || {
                    let mut state = WorkerState::default();
                    for task in receiver {
                        task(&mut state);
                    }
                });
            }
            drop(receiver);
            drive(&Queue(sender));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wimforge_core::port::Ordered;

    #[test]
    fn results_come_in_order() {
        let mut results = Vec::new();
        let slot = &mut results;
        Threads::new(3).scope(Box::new(move |pool| {
            let mut queue = Ordered::new(pool);
            for number in 0..100u64 {
                queue.submit(move |_| {
                    std::thread::sleep(std::time::Duration::from_micros(number * 7919 % 300));
                    number
                });
            }
            while let Some(number) = queue.oldest().unwrap() {
                slot.push(number);
            }
        }));
        assert_eq!(results, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_dead_worker_is_an_error() {
        let outcome = std::panic::catch_unwind(|| {
            Threads::new(1).scope(Box::new(|pool| {
                let mut queue = Ordered::new(pool);
                queue.submit(|_| -> u8 { panic!("on purpose") });
                assert!(queue.oldest().is_err());
            }));
        });
        assert!(
            outcome.is_err(),
            "the panic is passed on at the end of the scope"
        );
    }
}
