//! What scripts rely on: verdicts, silence, and outputs that are what their names say.

use crate::folder::Folder;

fn with_noise() -> Folder {
    let folder = Folder::with_network();
    folder.succeeds(&["generate", "net.safetensors", "--count", "10", "-o", "x.npy", "--noise", "gaussian:0.01"]);
    folder
}

fn invert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--device", "cpu"], more].concat()
}

#[test]
fn requirements_decide_the_exit_code() {
    let folder = with_noise();
    let code = |more: &[&str]| folder.run(&invert(more)).status.code().unwrap();
    // Noise that is not named: solved, and nothing reproduced.
    let best = ["--method", "best"];
    assert_eq!(code(&best), 0);
    assert_eq!(code(&[&best[..], &["--require", "solved:1,determined:0"]].concat()), 0);
    let missed = folder.run(&invert(&[&best[..], &["--require", "solved:1,reproduced:0.5", "--quiet"]].concat()));
    assert_eq!(missed.status.code(), Some(3));
    let said = String::from_utf8(missed.stderr).unwrap();
    assert_eq!(said, "required reproduced:0.5: found 0 of 10 observations, 0.000000\n");
    assert!(missed.stdout.is_empty());
    // An ordinary 3 becomes 0, what is required does not.
    let exact = ["--method", "exact"];
    assert_eq!(code(&exact), 3);
    assert_eq!(code(&[&exact[..], &["--allow-incomplete"]].concat()), 0);
    assert_eq!(code(&[&exact[..], &["--allow-incomplete", "--require", "solved:0.1"]].concat()), 3);
    assert_eq!(code(&["--require", "good:1"]), 2);
}

#[test]
fn quiet_prints_errors_only() {
    let folder = with_noise();
    let quiet = folder.run(&[&["--quiet"], &invert(&["--noise", "gaussian:0.01"])[..]].concat());
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{quiet:?}");
    let json = folder.run(&invert(&["--method", "best", "-q", "--json"]));
    assert!(json.stdout.starts_with(b"{") && json.stderr.is_empty(), "{json:?}");
    let refused = folder.run(&invert(&["--quiet", "--epsilon", "-1"]));
    assert!(!refused.stderr.is_empty() && refused.status.code() == Some(2));
    let loud = folder.run(&invert(&["--noise", "gaussian:0.01"]));
    assert!(!loud.stdout.is_empty() && !loud.stderr.is_empty());
}

/// The record says what was run: the same for a merged run as for its parts.
#[test]
fn records_say_what_was_run() {
    let folder = with_noise();
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&folder.run(&[arguments, &["--json", "--allow-incomplete"]].concat()).stdout).unwrap()
    };
    let whole = json(&invert(&["--method", "best", "--noise", "0.01", "--batch", "4", "--seed", "3"]));
    let run = &whole["run"];
    assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&run["observations"]["file"], &run["count"]), (&"x.npy".into(), &10.into()));
    assert!(run["network"]["digest"].as_str().unwrap().len() >= 32, "{run}");
    assert_eq!((&run["options"]["seed"], &run["options"]["noise"]), (&"3".into(), &"0.01".into()));
    assert!(whole["seconds"]["total"].as_f64().unwrap() > 0.0 && whole["device"].as_str().unwrap().contains("CPU"));
    for part in ["1", "2"] {
        let (name, shard) = (format!("p{part}.npy"), format!("{part}/2"));
        let part = ["invert", "net.safetensors", "x.npy", "-o", &name, "--shard", &shard, "--device", "cpu"];
        let made = json(&[&part[..], &["--method", "best", "--noise", "0.01", "--batch", "4", "--seed", "3"]].concat());
        assert_eq!(made["run"]["options"], run["options"]);
    }
    let merged = json(&["merge", "-o", "m.npy", "p1.npy", "p2.npy"]);
    for name in ["version", "network", "observations", "options", "count", "end"] {
        assert_eq!(merged["run"][name], run[name], "{name}");
    }
    // As long as the run is finished, also when there is nothing to do.
    let again = json(&invert(&["--method", "best", "--noise", "0.01", "--batch", "4", "--seed", "3", "--resume"]));
    assert_eq!(again["run"], *run);
}

#[test]
fn names_of_another_format_are_refused() {
    let folder = with_noise();
    let refused = |arguments: &[&str], ending: &str, right: &str| {
        folder.refuses(arguments, &[&format!("ends in .{ending}"), &format!("end its name in .{right}")]);
    };
    for ending in ["npz", "csv", "txt"] {
        let name = format!("o.{ending}");
        refused(&["invert", "net.safetensors", "x.npy", "-o", &name], ending, "npy");
        refused(&["recover", "net.safetensors", "x.npy", "-o", &name], ending, "npy");
        refused(&["generate", "net.safetensors", "--count", "2", "-o", &name], ending, "npy");
    }
    refused(&["random-network", "2,4", "-o", "n.pth"], "pth", "safetensors");
    refused(&["picture", "x.npy", "-o", "x.jpg", "--image", "4x5"], "jpg", "png or .svg");
    refused(
        &["recover", "net.safetensors", "x.npy", "-o", "z.npy", "--picture", "p.gif", "--image", "4x5"],
        "gif",
        "png or .svg",
    );
    assert!(
        !folder.names().iter().any(|name| name.starts_with("o.") || name.starts_with("z.")),
        "{:?}",
        folder.names()
    );
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_kept() {
    let folder = with_noise();
    std::os::unix::fs::symlink("elsewhere.npy", folder.path("l.npy")).unwrap();
    let run = ["generate", "net.safetensors", "--count", "2", "-o", "l.npy"];
    folder.refuses(&run, &["l.npy", "is a link to a file that does not exist", "--force"]);
    folder.succeeds(&[&run[..], &["--force"]].concat());
}

/// Refused before memory is taken, also under the limit of the process.
#[cfg(target_os = "linux")]
#[test]
fn sizes_that_cannot_fit_are_named() {
    let folder = with_noise();
    let huge = ["random-network", "3000000,3000000", "-o", "huge.safetensors"];
    folder.refuses(&huge, &["3000000,3000000", "GiB", "the sizes of the network"]);
    folder.refuses(&["random-network", "9999999999,9999999999", "-o", "h.safetensors"], &["more than any machine has"]);
    let run = ["generate", "net.safetensors", "--count", "2", "-o", "y.npy", "--gaussian"];
    folder.refuses(&[&run[..], &["999999999999"]].concat(), &["--gaussian", "999999999999", "GiB"]);
    let run = ["generate", "net.safetensors", "--count", "9999999999999", "-o", "y.npy", "--batch", "4294967295"];
    folder.refuses(&run, &["--batch", "4294967295", "GiB"]);
    // A large batch of few observations is as good as a small one.
    folder.succeeds(&["generate", "net.safetensors", "--count", "9", "-o", "y.npy", "--batch", "4294967295"]);
    folder.run(&invert(&["--batch", "4294967295"]));
    let said = limited(&folder, 3_000_000, "random-network 16000,16000 -o h.safetensors");
    assert!(said.contains("16000,16000"), "{said}");
}

/// What a command says that is refused with at most so many KiB of memory.
#[cfg(target_os = "linux")]
fn limited(folder: &Folder, kibibytes: u32, command: &str) -> String {
    let program = assert_cmd::cargo::cargo_bin("unrelu");
    let script = format!("ulimit -v {kibibytes}; exec {} {command}", program.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path("")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("that this process may still use"), "{said}");
    said
}

/// A network whose file is small on the disk, since it has only zeros, and large in memory.
#[cfg(target_os = "linux")]
#[test]
fn a_network_that_cannot_fit_is_named() {
    let folder = with_noise();
    let header = concat!(
        r#"{"__metadata__":{"activation":"relu"},"fc1.weight":{"dtype":"F16","shape":[20000,10000],"#,
        r#""data_offsets":[0,400000000]},"fc1.bias":{"dtype":"F16","shape":[20000],"data_offsets":[400000000,400040000]}}"#
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    folder.write("big.safetensors", &bytes);
    let file = std::fs::OpenOptions::new().write(true).open(folder.path("big.safetensors")).unwrap();
    file.set_len(bytes.len() as u64 + 400_040_000).unwrap();
    let said = limited(&folder, 1_500_000, "invert big.safetensors x.npy -o z.npy");
    assert!(said.contains("big.safetensors") && said.contains("fc1.weight") && said.contains("GiB"), "{said}");
    // A model in ONNX is read at once.
    let onnx = std::fs::OpenOptions::new().write(true).create_new(true).open(folder.path("big.onnx")).unwrap();
    std::io::Write::write_all(&mut &onnx, &[8, 7, 0x12, 1]).unwrap();
    onnx.set_len(1_000_000_000).unwrap();
    let said = limited(&folder, 1_500_000, "invert big.onnx x.npy -o z.npy");
    assert!(said.contains("big.onnx") && said.contains("1000000000 bytes"), "{said}");
}
