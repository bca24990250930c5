//! The command line started by another program: several runs in one process.

use std::ffi::OsString;
use std::fs;

use crate::folder::Folder;

/// The exit code of a run in this process.
fn run(arguments: &[&str]) -> u8 {
    unrelu::cli::run(std::iter::once("unrelu").chain(arguments.iter().copied()).map(OsString::from))
}

/// One test for all, because a signal concerns every run of the process.
#[test]
fn runs_follow_one_another_in_one_process() {
    let folder = Folder::empty();
    let path = |name: &str| folder.path(name).display().to_string();
    let (network, first, second) = (path("net.safetensors"), path("first.npy"), path("second.npy"));
    assert_eq!(run(&["random-network", "3,8,20", "-o", &network]), 0);
    let generate = |output: &str, count: &str| run(&["generate", &network, "--count", count, "-o", output]);
    assert_eq!(generate(&first, "5"), 0);
    // Usage errors, help, the version and rejected inputs return too.
    assert_eq!(run(&["invent"]), 2);
    assert_eq!(run(&["--version"]), 0);
    assert_eq!(run(&["invert", "--help"]), 0);
    assert_eq!(generate(&first, "5"), 2);
    assert_eq!(unrelu::cli::run([]), 2);
    #[cfg(unix)]
    assert_eq!(interrupted(|| generate(&second, "1000000000"), &path("second.npy.partial")), 130);
    assert_eq!(generate(&second, "5"), 0);
    assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
    assert_eq!(folder.names(), ["first.npy", "net.safetensors", "second.npy"]);
}

/// A run that gets a signal once its output grows: from then on it handles signals.
#[cfg(unix)]
fn interrupted(run: impl Fn() -> u8 + Sync, partial: &str) -> u8 {
    std::thread::scope(|scope| {
        let running = scope.spawn(&run);
        while !fs::metadata(partial).is_ok_and(|partial| partial.len() > 1000) {
            assert!(!running.is_finished(), "the run ended by itself");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        crate::signals::send_to_self(crate::signals::Signal::SIGINT);
        running.join().unwrap()
    })
}
