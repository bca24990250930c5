//! A PyTorch checkpoint as it is: zip, legacy or tar.

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    crate::networks::check(folder.path(), "net.pth", bytes)
}
