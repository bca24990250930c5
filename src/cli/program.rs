//! This program as the user called it, for commands that work as they are printed.

use std::env;

/// A command line of this program that works in the shell and folder it was called from, whether it is
/// on the path or was run by `cargo run`.
pub fn command_line(arguments: &[&str]) -> String {
    let program = env::args_os().next().map_or_else(|| "unrelu".to_owned(), |program| program.to_string_lossy().into());
    let words: Vec<String> = std::iter::once(program.as_str()).chain(arguments.iter().copied()).map(quoted).collect();
    words.join(" ")
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
