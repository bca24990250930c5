//! How much memory this process may still use, and sizes that cannot fit.
//!
//! Linux tells it in three places, of which the least counts: what the system has available, what
//! the control groups of the process leave (containers, SLURM), and the limit of the address space
//! (`ulimit`). Other systems tell nothing here, and nothing is refused.

use std::fs;

use crate::error::{Error, Result};

/// Bytes that the process may still take; `None` if nothing tells it.
pub fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let system = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemAvailable:"));
    let used = || read("/proc/self/status").and_then(|text| kibibytes(&text, "VmSize:")).unwrap_or(0);
    let space = read("/proc/self/limits").and_then(|text| address_space(&text)).map(|most| most.saturating_sub(used()));
    let groups = read("/proc/self/cgroup").map(|text| left_in_groups(&text, &read)).unwrap_or_default();
    system.into_iter().chain(space).chain(groups).min()
}

/// Refuses `bytes` of memory that cannot fit; `None`: more than can be counted.
///
/// # Errors
/// [`Error::BadOption`]. `option`: what asks for so much; `found`: its value.
pub fn check(option: &str, found: impl FnOnce() -> String, bytes: Option<u64>) -> Result<()> {
    match excess(bytes) {
        None => Ok(()),
        Some((needed, expected)) => Err(Error::option(option, format!("{}, which takes {needed}", found()), expected)),
    }
}

/// [`check`] for what a file asks for.
///
/// # Errors
/// [`Error::Input`]. `source`: the file; `found`: what in it is so large.
pub fn check_input(source: &str, found: impl FnOnce() -> String, bytes: Option<u64>) -> Result<()> {
    match excess(bytes) {
        None => Ok(()),
        Some((needed, expected)) => {
            let fix = "use a machine with more memory, or allow the process more";
            Err(Error::input(source, format!("{}, which takes {needed}", found()), expected, fix))
        }
    }
}

/// What is needed, and what there is, where `bytes` do not fit.
fn excess(bytes: Option<u64>) -> Option<(String, String)> {
    let available = available();
    let fits = bytes.is_some_and(|bytes| available.is_none_or(|available| bytes <= available));
    if fits {
        return None;
    }
    let needed = bytes.map_or_else(|| "more than any machine has".to_owned(), in_words);
    let expected = match available {
        Some(available) => format!("what fits in the {} that this process may still use", in_words(available)),
        None => "what fits in memory".to_owned(),
    };
    Some((needed, expected))
}

/// The bytes of a matrix of f64; `None` if they cannot be counted.
pub fn of_matrix(rows: usize, columns: usize) -> Option<u64> {
    (rows as u64).checked_mul(columns as u64)?.checked_mul(8)
}

fn in_words(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

/// The bytes that a line such as `MemAvailable:   2048 kB` names.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit in `/proc/self/limits`; `None` if it is unlimited.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What each control group of the process and those around it leave, by `/proc/self/cgroup`.
fn left_in_groups(groups: &str, read: &impl Fn(&str) -> Option<String>) -> Vec<u64> {
    let number = |path: String| read(&path)?.trim().parse::<u64>().ok();
    let mut left = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, most, now) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            names if names.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        // Within a container the group itself may be the root.
        let mut path = path.trim_end_matches('/');
        loop {
            if let Some(most) = number(format!("{root}{path}/{most}")) {
                left.push(most.saturating_sub(number(format!("{root}{path}/{now}")).unwrap_or(0)));
            }
            let Some((above, _)) = path.rsplit_once('/') else { break };
            path = above;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_what_linux_tells_counts() {
        assert_eq!(kibibytes("MemTotal: 8 kB\nMemAvailable:   2 kB\n", "MemAvailable:"), Some(2048));
        assert_eq!(kibibytes("", "MemAvailable:"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax address space         4096000  unlimited  bytes\n";
        assert_eq!(address_space(limits), Some(4_096_000));
        assert_eq!(address_space("Max address space   unlimited   unlimited  bytes"), None);
        let files = [
            ("/sys/fs/cgroup/job/step/memory.max", "max\n"),
            ("/sys/fs/cgroup/job/memory.max", "1000\n"),
            ("/sys/fs/cgroup/job/memory.current", "400\n"),
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "70\n"),
            ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "90\n"),
        ];
        let read = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        assert_eq!(left_in_groups("0::/job/step\n", &read), [600]);
        assert_eq!(left_in_groups("5:cpu,memory:/a\n1:name=x:/job\n", &read), [0]);
        assert!(available().is_none_or(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn what_cannot_fit_is_refused_by_its_option() {
        assert!(check("sizes", || "3,4".to_owned(), Some(96)).is_ok());
        let refused = check("sizes", || "9,9".to_owned(), Some(1 << 60)).map_err(|error| error.to_string());
        if available().is_some() {
            let refused = refused.unwrap_err();
            assert!(refused.contains("sizes") && refused.contains("GiB") && refused.contains("9,9"), "{refused}");
        }
        assert!(check("batch", || "1".to_owned(), of_matrix(usize::MAX, 2)).is_err());
    }
}
