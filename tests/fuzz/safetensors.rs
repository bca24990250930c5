//! A network file of the safetensors format.

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    crate::networks::check(folder.path(), "net.safetensors", bytes)
}
