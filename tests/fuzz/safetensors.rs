//! A network file of the safetensors format.

pub fn check(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    crate::networks::check(folder.path(), "net.safetensors", bytes);
}
