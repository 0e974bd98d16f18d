//! What a run of a program costs.

use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The cost of one run, or the median of each figure over several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// User and system CPU time of the program and all its threads, in seconds.
    pub cpu: f64,
    /// Elapsed time in seconds.
    pub wall: f64,
    /// Largest resident memory, in bytes.
    pub memory: f64,
    /// Size of the archive it made, in bytes; 0 if it made none.
    pub size: f64,
}

impl Cost {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// If it cannot be started or fails.
    pub fn of(command: &mut Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn()?;
        let (status, usage) = wait(child.id())?;
        let wall = started.elapsed().as_secs_f64();
        if status != 0 {
            return Err(io::Error::other(format!(
                "failed with wait status {status}: {command:?}"
            )));
        }
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Ok(Self {
            cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            wall,
            // Linux counts in KiB. The figure includes what this program had when it forked, which
            // is why corpora are made in small pieces.
            memory: usage.ru_maxrss as f64 * 1024.0,
            size: 0.0,
        })
    }

    /// The median of each figure.
    #[must_use]
    pub fn median(costs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut all: Vec<f64> = costs.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            match all.len() {
                0 => 0.0,
                n if n % 2 == 1 => all[n / 2],
                n => f64::midpoint(all[n / 2 - 1], all[n / 2]),
            }
        };
        Self {
            cpu: of(|cost| cost.cpu),
            wall: of(|cost| cost.wall),
            memory: of(|cost| cost.memory),
            size: of(|cost| cost.size),
        }
    }
}

/// Waits for a child and tells what it used: std knows no way to ask for one child.
fn wait(id: u32) -> io::Result<(i32, libc::rusage)> {
    let mut status = 0;
    loop {
        // SAFETY: rusage is a plain C structure of integers, for which all zeros is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live variables of the types that wait4 writes; the child was
        // started by us and has not been waited for.
        let waited = unsafe { libc::wait4(id.cast_signed(), &raw mut status, 0, &raw mut usage) };
        if waited >= 0 {
            return Ok((status, usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_of_each_figure() {
        let cost = |cpu, wall| Cost {
            cpu,
            wall,
            ..Cost::default()
        };
        let median = Cost::median(&[cost(3.0, 1.0), cost(1.0, 2.0), cost(2.0, 9.0)]);
        assert_eq!(median, cost(2.0, 2.0));
        let median = Cost::median(&[cost(1.0, 4.0), cost(2.0, 2.0)]);
        assert_eq!(median, cost(1.5, 3.0));
    }

    #[test]
    fn a_run_is_measured() {
        let cost = Cost::of(&mut Command::new("true")).expect("runs");
        assert!(cost.memory > 0.0 && cost.wall > 0.0);
        assert!(Cost::of(&mut Command::new("false")).is_err());
    }
}
