//! Outputs are written completely or not at all, and never replace an existing file.

use crate::folder::Folder;

#[test]
fn an_output_that_exists_needs_force() {
    let folder = Folder::with_network();
    folder.write("out.npy", b"precious");
    let arguments = ["generate", "net.safetensors", "--count", "2", "-o", "out.npy"];
    folder.refuses(&arguments, &["out.npy", "already exists", "--force"]);
    assert_eq!(folder.bytes("out.npy"), b"precious");
    folder.succeeds(&[&arguments[..], &["--force"]].concat());
    assert_eq!(folder.bytes("out.npy").len(), 128 + 2 * 20 * 8);
    folder.refuses(&["random-network", "3,8", "-o", "net.safetensors"], &["net.safetensors", "already exists"]);
}

#[test]
fn the_second_output_is_checked_before_any_work_too() {
    let folder = Folder::with_network();
    folder.write("out.npy", b"precious");
    let arguments = ["generate", "net.safetensors", "--count", "2", "--codes-out", "codes.npy", "-o", "out.npy"];
    folder.refuses(&arguments, &["out.npy", "already exists"]);
    let arguments = ["generate", "net.safetensors", "--count", "2", "--codes-out", "./a.npy", "-o", "a.npy"];
    folder.refuses(&arguments, &["--codes-out", "also the output of -o", "another file"]);
}

#[test]
fn an_output_that_cannot_be_created() {
    let folder = Folder::with_network();
    let to = |output| folder.refuses(&["generate", "net.safetensors", "--count", "2", "-o", output], &[output]);
    to("no/such/folder/out.npy");
    to("net.safetensors/out.npy");
    std::fs::create_dir(folder.path("directory")).unwrap();
    to("directory");
    folder.refuses(
        &["generate", "net.safetensors", "--count", "2", "-o", "no/out.npy"],
        &["cannot be created", "create its directory first"],
    );
    folder.refuses(&["random-network", "3,8", "-o", "no/net.safetensors"], &["create its directory first"]);
}

#[cfg(unix)]
#[test]
fn a_device_is_never_replaced() {
    Folder::with_network().refuses(
        &["generate", "net.safetensors", "--count", "2", "-o", "/dev/null", "--force"],
        &["/dev/null", "not a plain file"],
    );
}

#[test]
fn what_a_killed_run_left_behind_does_not_stop_the_next() {
    let folder = Folder::with_network();
    folder.write("out.npy.partial", b"torn");
    folder.succeeds(&["generate", "net.safetensors", "--count", "2", "-o", "out.npy"]);
    assert_eq!(folder.names(), ["net.safetensors", "out.npy"]);
}
