//! Choosing one of a few things by the name it is printed with.

use std::fmt::Display;

/// The one of `all` that is called `text`.
///
/// # Errors
/// What was found, and the names there are.
pub fn named<T: Copy + Display>(all: &[T], text: &str) -> Result<T, String> {
    let of_name = all.iter().find(|item| item.to_string() == text);
    of_name.copied().ok_or_else(|| {
        let names: Vec<String> = all.iter().map(T::to_string).collect();
        format!("found `{text}`, expected {}", names.join(", "))
    })
}
