//! The command that resumes a run: the given command with `--resume`, quoted for a shell.

use std::ffi::OsString;

use super::CommandLine;
use super::command_line::joined;

/// The given command with `--resume`.
pub fn resume_command(command: &CommandLine) -> String {
    resuming(command.0.clone())
}

fn resuming(mut arguments: Vec<OsString>) -> String {
    if !arguments.iter().any(|argument| argument == "--resume") {
        // After a `--` it would be read as a file name.
        let place = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        arguments.insert(place, "--resume".into());
    }
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    joined(words.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_command_back() {
        let command = |words: &[&str]| resuming(words.iter().map(OsString::from).collect());
        assert_eq!(command(&["unrelu", "invert", "a b.npy"]), "unrelu invert 'a b.npy' --resume");
        assert_eq!(command(&["unrelu", "invert", "--", "-x.npy"]), "unrelu invert --resume -- -x.npy");
        for word in ["it's", "$HOME", "", "a\"b", "back\\slash", "!x", "two\nlines", "ü", "--mask=a,b"] {
            let words = ["unrelu", "--resume", word];
            assert_eq!(shlex::split(&command(&words)).unwrap(), words, "{word}");
        }
    }
}
