//! The command line as the user typed it, so that printed commands work as they are.

use std::ffi::OsString;

/// The program's name and the arguments of one run.
#[derive(Debug)]
pub struct CommandLine(pub Vec<OsString>);

impl CommandLine {
    /// Another command of the same program. It works in the shell and folder from which the program
    /// was called, whether the program is on the path or was run by `cargo run`.
    pub fn with_arguments(&self, arguments: &[&str]) -> String {
        let program = self.0.first().map_or_else(|| "unrelu".into(), |program| program.to_string_lossy());
        let words = std::iter::once(&*program).chain(arguments.iter().copied());
        joined(words)
    }
}

/// Joins words and quotes them so that a POSIX shell reads them back.
pub fn joined<'a>(words: impl Iterator<Item = &'a str> + Clone) -> String {
    // Quoting fails only for a NUL, which an argument of a process cannot contain.
    shlex::try_join(words.clone()).unwrap_or_else(|_| words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = ["target/release/unrelu", "first look", "it's", ""];
        assert_eq!(shlex::split(&joined(words.into_iter())).unwrap(), words);
        assert!(joined(words.into_iter()).starts_with("target/release/unrelu "));
    }
}
