//! A PyTorch checkpoint as it is: zip, legacy or tar.

pub fn check(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    crate::networks::check(folder.path(), "net.pth", bytes);
}
