//! This program as the user called it, for commands that work as they are printed.

use std::env;

/// A command line of this program that works in the shell and folder it was called from, whether it is
/// on the path or was run by `cargo run`.
pub fn command_line(arguments: &[&str]) -> String {
    let program = env::args_os().next().map_or_else(|| "unrelu".to_owned(), |program| program.to_string_lossy().into());
    joined(std::iter::once(program.as_str()).chain(arguments.iter().copied()))
}

/// Words as a POSIX shell reads them back.
pub fn joined<'a>(words: impl Iterator<Item = &'a str> + Clone) -> String {
    // Quoting fails for a NUL only, which no argument of a process holds.
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
