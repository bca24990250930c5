//! This program as the user called it, for commands that work as they are printed.

use std::env;

/// A command line of this program that works in the shell and folder it was called from, whether it is
/// on the path or was run by `cargo run`.
pub fn command_line(arguments: &[&str]) -> String {
    let program = env::args_os().next().map_or_else(|| "unrelu".to_owned(), |program| program.to_string_lossy().into());
    let words: Vec<String> = std::iter::once(program.as_str()).chain(arguments.iter().copied()).map(quoted).collect();
    words.join(" ")
}

/// As a POSIX shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_@%+=:,./-".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
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
