//! The command line as the user gave it, for commands that work as they are printed.

use std::ffi::OsString;

/// The program's name and the arguments of one run.
#[derive(Debug)]
pub struct CommandLine(pub Vec<OsString>);

impl CommandLine {
    /// Another command of the same program. It works in the shell and folder that the program was
    /// called from, whether it is on the path or was run by `cargo run`.
    pub fn with_arguments(&self, arguments: &[&str]) -> String {
        let program = self.0.first().map_or_else(|| "unrelu".into(), |program| program.to_string_lossy());
        let words = std::iter::once(&*program).chain(arguments.iter().copied()).map(quoted);
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell reads it, in quotes where it has to be.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-+=./:,@".contains(letter);
    if !word.is_empty() && word.chars().all(|letter| is_plain(letter) || (cfg!(windows) && letter == '\\')) {
        word.to_owned()
    } else if cfg!(windows) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_a_shell_would_split_are_quoted() {
        assert_eq!(quoted("target/release/unrelu"), "target/release/unrelu");
        assert_eq!(quoted("first look"), "'first look'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
