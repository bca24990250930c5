//! The command that goes on with a run: the one that was given, with `--resume`, as a shell takes it.

use std::env;
use std::ffi::OsString;

use super::program::quoted;

/// This process's command with `--resume`.
pub fn command() -> String {
    resuming(env::args_os().collect())
}

fn resuming(mut arguments: Vec<OsString>) -> String {
    if !arguments.iter().any(|argument| argument == "--resume") {
        // Behind a `--` it would be taken for a file.
        let place = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        arguments.insert(place, "--resume".into());
    }
    let words: Vec<String> = arguments.iter().map(|argument| quoted(&argument.to_string_lossy())).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_what_a_shell_takes() {
        let command = |words: &[&str]| resuming(words.iter().map(OsString::from).collect());
        assert_eq!(command(&["unrelu", "invert", "a b.npy"]), "unrelu invert 'a b.npy' --resume");
        assert_eq!(command(&["unrelu", "--resume", "it's"]), r"unrelu --resume 'it'\''s'");
        assert_eq!(command(&["unrelu", "invert", "--", "-x.npy"]), "unrelu invert --resume -- -x.npy");
    }
}
