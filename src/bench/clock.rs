//! Clocks: processor time for work on one thread, which other programs on a shared machine do not
//! affect. The wall clock is used if the system does not report processor time, and for work on
//! several threads or on a device.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Processor seconds of `work` in all threads of this process. The threads must be asleep again
/// when it returns, as those of a rayon pool soon are: the kernel updates its counters when a
/// thread stops.
pub fn processor_seconds(work: impl FnOnce()) -> f64 {
    let wall = Instant::now();
    let before = spent();
    work();
    match (before, spent()) {
        (Some(before), Some(after)) if after > before => after - before,
        _ => wall.elapsed().as_secs_f64(),
    }
}

/// Wall-clock seconds of `work`.
pub fn wall_seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The processor seconds that Linux has counted for this process's threads so far.
fn spent() -> Option<f64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let of_thread = |path: PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    let nanoseconds: f64 = tasks.flatten().filter_map(|task| of_thread(task.path())).sum();
    (nanoseconds > 0.0).then_some(nanoseconds * 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_costs_no_processor_time() {
        let nap = || std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(wall_seconds(nap) >= 0.05);
        if spent().is_some() {
            // Other tests run in threads of the same process, so the time of the work only has a
            // lower bound.
            let work = || {
                let start = Instant::now();
                while start.elapsed().as_secs_f64() < 0.02 {
                    std::hint::spin_loop();
                }
            };
            assert!(processor_seconds(work) > 0.0);
        }
    }
}
