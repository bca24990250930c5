//! Standard input and output in place of files, and pipes.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::folder::Folder;

/// Runs the command with these bytes on standard input.
fn piped(folder: &Folder, arguments: &[&str], input: &[u8]) -> Output {
    let mut run = Command::new(assert_cmd::cargo::cargo_bin("unrelu"));
    let run = run.current_dir(folder.path("")).args(arguments);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut writer = run.stdin.take().unwrap();
    let input = input.to_owned();
    // The command may end before it has read everything.
    let feeding = std::thread::spawn(move || drop(writer.write_all(&input)));
    let output = run.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

/// The same; the command must succeed. Returns standard output and standard error.
#[track_caller]
fn flows(folder: &Folder, arguments: &[&str], input: &[u8]) -> (Vec<u8>, String) {
    let output = piped(folder, arguments, input);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {message}");
    (output.stdout, message)
}

/// With `x.npy` of 30 observations and their codes `t.npy`.
fn with_observations() -> Folder {
    let folder = Folder::with_network();
    folder.succeeds(&["generate", "net.safetensors", "--count", "30", "-o", "x.npy", "--codes-out", "t.npy"]);
    folder
}

const INVERT: [&str; 7] = ["invert", "net.safetensors", "-", "--device", "cpu", "--batch", "8"];

#[test]
fn codes_and_reports_are_those_of_files() {
    let folder = with_observations();
    let to_files = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--report", "r.jsonl", "--truth", "t.npy"];
    folder.succeeds(&[&to_files[..], &["--device", "cpu", "--batch", "8"]].concat());
    let observations = folder.bytes("x.npy");

    let (codes, message) = flows(&folder, &[&INVERT[..], &["-o", "-"]].concat(), &observations);
    assert!(codes == folder.bytes("z.npy"));
    assert!(message.contains("standard input goes by once") && message.contains("30 observations"), "{message}");

    let more = ["-o", "piped.npy", "--report", "-", "--truth", "t.npy"];
    let (report, _) = flows(&folder, &[&INVERT[..], &more].concat(), &observations);
    assert!(report == folder.bytes("r.jsonl") && folder.bytes("piped.npy") == folder.bytes("z.npy"));
    // No journal, no unfinished output.
    assert_eq!(folder.names(), ["net.safetensors", "piped.npy", "r.jsonl", "t.npy", "x.npy", "z.npy", "z.npy.journal"]);

    let (again, _) = flows(&folder, &["generate", "net.safetensors", "-", "-o", "-"], &folder.bytes("t.npy"));
    assert!(again == observations);
    let merge = ["merge", "-o", "-", "z.npy"];
    let (merged, _) = flows(&folder, &merge, b"");
    assert!(merged == folder.bytes("z.npy"));
    let (merged, _) = flows(&folder, &["merge", "-o", "m.npy", "--report", "-", "z.npy"], b"");
    assert!(merged == folder.bytes("r.jsonl") && folder.bytes("m.npy") == folder.bytes("z.npy"));
}

#[cfg(unix)]
#[test]
fn pipes_are_read_once() {
    let folder = with_observations();
    folder.write(
        "mask.npy",
        crate::folder::npy("{'descr': '|b1', 'fortran_order': False, 'shape': (30, 20), }", &{
            let mut mask = [1; 600];
            mask.iter_mut().step_by(7).for_each(|entry| *entry = 0);
            mask
        }),
    );
    let recover = ["recover", "net.safetensors", "x.npy", "--mask", "mask.npy", "-o", "z.npy", "--device", "cpu"];
    folder.succeeds(&recover);
    let script = "unrelu recover net.safetensors fifo --mask - -o - --truth /dev/fd/4 --device cpu \
                  4< t.npy < mask.npy > piped.npy";
    let program = assert_cmd::cargo::cargo_bin("unrelu");
    let script = format!("mkfifo fifo; (cat x.npy > fifo &); {}", script.replace("unrelu", program.to_str().unwrap()));
    let output = Command::new("sh").args(["-e", "-c", &script]).current_dir(folder.path("")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(folder.bytes("piped.npy") == folder.bytes("z.npy"));
}

#[test]
fn the_record_has_the_digest_of_what_went_by() {
    let folder = with_observations();
    let json = ["--json", "--quiet"];
    let files = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--truth", "t.npy", "--device", "cpu"];
    let of_files: serde_json::Value =
        serde_json::from_str(&folder.succeeds(&[&files[..], &["--batch", "8"], &json].concat())).unwrap();
    let (codes, record) =
        flows(&folder, &[&INVERT[..], &["-o", "-", "--truth", "t.npy"], &json].concat(), &folder.bytes("x.npy"));
    // Standard output is taken, so the record goes to standard error.
    let of_stream: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert!(codes == folder.bytes("z.npy"));
    assert_eq!(of_stream["run"]["observations"]["file"], "standard input");
    for input in ["network", "observations", "truth"] {
        assert_eq!(of_stream["run"][input]["digest"], of_files["run"][input]["digest"], "{input}");
    }
    assert_eq!(of_stream["run"]["options"], of_files["run"]["options"]);
    assert_eq!((&of_stream["run"]["codes"], &of_stream["shares"]["solved"]), (&"-".into(), &1.0.into()));

    let generate = ["generate", "net.safetensors", "t.npy", "--gaussian", "9", "-o", "y.npy", "--json"];
    let made: serde_json::Value = serde_json::from_str(&folder.succeeds(&generate)).unwrap();
    assert_eq!(made["run"]["network"], of_files["run"]["network"]);
    assert_eq!(made["run"]["codes"], of_files["run"]["truth"]);
    assert_eq!((&made["observations"], &made["measurements"]), (&30.into(), &9.into()));
}

#[test]
fn what_cannot_go_by_once_is_refused() {
    let folder = with_observations();
    let invert = |more: &[&'static str]| [&["invert", "net.safetensors", "x.npy"], more].concat();
    folder.refuses(&invert(&["-o", "-", "--report", "-"]), &["--report", "standard output", "already taken"]);
    folder.refuses(&invert(&["-o", "-", "--resume"]), &["--resume", "standard output"]);
    folder.refuses(&invert(&["-o", "-", "--shard", "1/2"]), &["--shard", "standard output"]);
    folder.refuses(&invert(&["-o", "-", "--method", "best", "--alternatives", "2"]), &["--alternatives"]);
    folder.refuses(&["invert", "-", "x.npy", "-o", "z.npy"], &["NETWORK", "standard input"]);
    folder.refuses(&["invert", "net.safetensors", "-", "-o", "z.npy", "--truth", "-"], &["--truth", "already taken"]);
    let picture = ["recover", "net.safetensors", "x.npy", "-o", "-", "--picture", "p.png", "--image", "4x5"];
    folder.refuses(&picture, &["--picture", "goes by once"]);
    folder.refuses(&["picture", "x.npy", "-o", "-", "--image", "4x5"], &["standard output", "name a file"]);
    folder.refuses(&["random-network", "3,8", "-o", "-"], &["standard output", "name a file"]);
    folder.refuses(&["generate", "net.safetensors", "--count", "2", "-o", "-", "--codes-out", "-"], &["--codes-out"]);
}

#[test]
fn a_stream_that_does_not_fit_its_header() {
    let folder = with_observations();
    let observations = folder.bytes("x.npy");
    let before = folder.names();
    let ends_early = &observations[..observations.len() - 8];
    let too_long = [&observations[..], b"more"].concat();
    let archive = [b"PK\x03\x04".as_ref(), &observations].concat();
    let claims =
        crate::folder::npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000, 20), }", b"");
    let cases: [(&[u8], &str); 6] = [
        (ends_early, "an end before the last row"),
        (&too_long, "more bytes than its header says"),
        (&archive, "a zip archive in a stream"),
        (&claims, "claims"),
        (b"", "an empty file"),
        (b"text", "a text file"),
    ];
    for (bytes, found) in cases {
        let output = piped(&folder, &[&INVERT[..], &["-o", "z.npy", "--report", "r.csv"]].concat(), bytes);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{found}: {message}");
        assert!(message.contains("standard input") && message.contains(found), "{found}: {message}");
        assert_eq!(folder.names(), before, "{found}");
    }
}

#[test]
fn an_array_in_column_major_order_and_one_without_rows() {
    let folder = Folder::with_network();
    folder.succeeds(&["generate", "net.safetensors", "--count", "2", "-o", "x.npy"]);
    let rows = folder.bytes("x.npy");
    let mut turned = Vec::new();
    for entry in 0..20 {
        for row in 0..2 {
            turned.extend_from_slice(&rows[128 + 8 * (20 * row + entry)..][..8]);
        }
    }
    let turned = crate::folder::npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 20), }", &turned);
    let invert = [&INVERT[..], &["-o", "-"]].concat();
    assert!(flows(&folder, &invert, &turned).0 == flows(&folder, &invert, &rows).0);
    let nothing = crate::folder::npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 20), }", b"");
    assert_eq!(flows(&folder, &invert, &nothing).0.len(), 128);
}

#[test]
fn a_journal_of_other_codes_goes() {
    let folder = with_observations();
    folder.succeeds(&["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--device", "cpu", "--shard", "1/1"]);
    assert!(folder.names().contains(&"z.npy.journal".to_owned()));
    flows(&folder, &[&INVERT[..], &["-o", "z.npy", "--force", "--method", "best"]].concat(), &folder.bytes("x.npy"));
    folder.refuses(&["merge", "-o", "m.npy", "z.npy"], &["z.npy.journal"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_ends_early_is_an_error() {
    let folder = Folder::with_network();
    folder.succeeds(&["generate", "net.safetensors", "--count", "2000", "-o", "x.npy"]);
    let program = assert_cmd::cargo::cargo_bin("unrelu");
    let generate = format!("{} generate net.safetensors --count 4000 -o -; echo $? > code", program.display());
    let script = format!("({generate}) | head -c 10 > /dev/null");
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path("")).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(folder.bytes("code"), b"1\n", "{message}");
    assert!(message.contains("the program that reads it has ended"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_that_waits_for_a_pipe() {
    let folder = with_observations();
    let generate = ["generate", "net.safetensors", "-", "--batch", "8"];
    let with_report = [&INVERT[..], &["--report", "r.csv"]].concat();
    for (arguments, input) in [(&with_report[..], "x.npy"), (&generate, "t.npy")] {
        let bytes = folder.bytes(input);
        let before = folder.names();
        let mut run = Command::new(assert_cmd::cargo::cargo_bin("unrelu"));
        let run = run.current_dir(folder.path("")).args(arguments).args(["-o", "z.npy"]);
        let mut run = run.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut writer = run.stdin.take().unwrap();
        writer.write_all(&bytes[..bytes.len() / 2]).unwrap();
        // It listens before it creates its outputs, or soon after.
        while !folder.path("z.npy.partial").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        crate::signals::send(crate::signals::Signal::SIGTERM, &run);
        let output = run.wait_with_output().unwrap();
        drop(writer);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{message}");
        assert!(message.contains("a run with a stream keeps nothing") && message.contains("interrupted"), "{message}");
        assert_eq!(folder.names(), before, "{arguments:?}");
    }
}

#[test]
fn an_output_that_exists_is_refused_before_the_stream_is_read() {
    let folder = with_observations();
    folder.write("z.npy", b"precious");
    // Nothing comes: a command that waited for a header would complain of that.
    let refused = |arguments: &[&str]| {
        let message = String::from_utf8(piped(&folder, arguments, b"").stderr).unwrap();
        assert!(message.contains("already exists"), "{message}");
    };
    refused(&[&INVERT[..], &["-o", "z.npy"]].concat());
    refused(&["generate", "net.safetensors", "-", "-o", "z.npy"]);
    refused(&["recover", "net.safetensors", "-", "-o", "z.npy"]);
}

#[test]
fn a_picture_reads_its_stream_to_the_end() {
    let folder = with_observations();
    let rows = folder.bytes("x.npy");
    let picture = ["picture", "-", "-o", "p.png", "--image", "4x5", "--count", "3"];
    flows(&folder, &picture, &rows);
    let again = [&picture[..], &["--force"]].concat();
    for (bytes, found) in
        [(&rows[..rows.len() - 1], "before the last row"), (&[&rows[..], b"."].concat(), "more bytes")]
    {
        let message = String::from_utf8(piped(&folder, &again, bytes).stderr).unwrap();
        assert!(message.contains(found), "{message}");
    }
}

#[test]
fn an_unfinished_run_is_discarded_whole() {
    let folder = with_observations();
    for name in ["z.npy.partial", "r.csv.partial"] {
        folder.write(name, b"torn");
    }
    folder.write("z.npy.journal.partial", br#"{"unrelu_journal":3}"#);
    let invert = [&INVERT[..], &["-o", "z.npy", "--report", "r.csv", "--force"]].concat();
    flows(&folder, &invert, &folder.bytes("x.npy"));
    assert_eq!(folder.names(), ["net.safetensors", "r.csv", "t.npy", "x.npy", "z.npy"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_of_open_files_are_not_replaced() {
    let folder = with_observations();
    let out = std::fs::File::create(folder.path("out")).unwrap();
    let mut run = Command::new(assert_cmd::cargo::cargo_bin("unrelu"));
    let run = run.current_dir(folder.path("")).args(["generate", "net.safetensors", "t.npy", "--force"]);
    let output = run.args(["-o", "/dev/stdout"]).stdout(out).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && message.contains("`-` for standard output"), "{message}");
    folder.refuses(&["inspect", "-"], &["NETWORK", "standard input"]);
}
