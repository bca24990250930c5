//! A command line, one argument per line: parsed, and the options resolved, but not run.

use std::ffi::OsString;

use unrelu::cli::{Parsed, parse};

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let arguments: Vec<&str> = std::iter::once("unrelu").chain(text.split('\n')).collect();
    match parsed(&arguments) {
        Ok(Parsed { arguments: values, resume }) => {
            let again = parsed(&arguments).unwrap();
            assert_eq!(again.arguments, values);
            // An argument of a process cannot contain a NUL.
            if let Some(resume) = resume.filter(|_| !text.contains('\0')) {
                resumes(&resume, &values);
            }
            true
        }
        Err((code, message)) => {
            // Help and version end with 0.
            assert!(matches!(code, 0 | 2), "exit code {code}: {message}");
            assert!(!message.trim().is_empty(), "exit code {code} without a message");
            false
        }
    }
}

fn parsed(arguments: &[&str]) -> Result<Parsed, (u8, String)> {
    parse(arguments.iter().map(OsString::from))
}

/// The command that the program prints to resume a run is the same command with `--resume`, after
/// a shell has read it.
fn resumes(command: &str, values: &str) {
    let words = shlex::split(command).expect("a shell reads the printed command");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let again = parsed(&words).unwrap_or_else(|(_, message)| panic!("`{command}` is refused: {message}"));
    let resumed = |values: &str| values.replace("resume: false", "resume: true");
    assert!(again.arguments.contains("resume: true"), "{command}");
    assert_eq!(resumed(&again.arguments), resumed(values), "{command}");
}
