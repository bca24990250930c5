//! Pointers of Git LFS. A clone of a repository without Git LFS has these small text files in place
//! of the large ones.

use crate::error::Error;

/// Number of bytes at the start of a file that show a pointer.
pub const START: usize = 48;

/// The refusal of a file that is a pointer; `None` for other files. `start`: at least its first
/// [`START`] bytes, or all if it is shorter.
pub fn refusal(start: &[u8], source: &str) -> Option<Error> {
    const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
    start.starts_with(POINTER).then(|| {
        Error::input(
            source,
            "a Git LFS pointer, not the file itself",
            "the file that the pointer stands for",
            "run git lfs pull in the repository that it came from",
        )
    })
}
