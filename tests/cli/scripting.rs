//! The commands of docs/SCRIPTING.md work as written, and its table has every column of a report.

use std::process::Command;

use serde_json::Value;

use crate::folder::Folder;

const PAGE: &str = include_str!("../../docs/SCRIPTING.md");

/// The blocks of the page in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    PAGE.match_indices(&begin).filter_map(|(at, _)| PAGE[at + begin.len()..].split("```").next()).collect()
}

#[cfg(unix)]
#[test]
fn its_commands_work_as_written() {
    let folder = Folder::empty();
    folder.write("Makefile.unrelu", blocks("make").concat());
    let program = assert_cmd::cargo::cargo_bin("unrelu");
    let path = std::env::join_paths(
        [program.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let shell = |script: &str| {
        let output =
            Command::new("sh").args(["-e", "-c", script]).current_dir(folder.path("")).env("PATH", &path).output();
        output.unwrap()
    };
    let has_make = shell("command -v make").status.success();
    let blocks = blocks("sh");
    assert!(blocks.len() >= 4);
    for block in &blocks {
        if block.starts_with("make ") {
            // A machine without make runs the rule itself.
            let rule = "unrelu invert net.safetensors observations.npy -o codes.npy --noise gaussian:0.001 --report \
                        report.jsonl --force --resume --require reproduced:0.99 --quiet";
            let output = shell(if has_make { block } else { rule });
            assert!(output.status.success(), "{output:?}");
            continue;
        }
        let output = shell(block);
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
        // Notes of `generate` and `recover` apart, they are quiet.
        assert!(!block.contains("--quiet") || output.stdout.is_empty(), "{block}");
    }
    // Again: the rule resumes a finished run.
    let text = String::from_utf8(folder.bytes("report.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 600);
}

#[test]
fn its_table_has_every_column() {
    let folder = Folder::with_network();
    folder.succeeds(&["generate", "net.safetensors", "--count", "3", "-o", "x.npy", "--codes-out", "t.npy"]);
    let runs: [&[&str]; 4] = [
        &["--method", "linf", "--refine=linf", "--noise", "uniform:0.01", "--uncertainty"],
        &["--method", "best", "--noise", "gaussian:0.01", "--uncertainty", "--alternatives", "2"],
        &["--method", "best", "--prior", "0.01"],
        &["--method", "descent"],
    ];
    for more in runs {
        let run =
            ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--report", "r.jsonl", "--truth", "t.npy"];
        folder.run(&[&run[..], &["--device", "cpu"], more].concat());
        let text = String::from_utf8(folder.bytes("r.jsonl")).unwrap();
        let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        for (name, value) in row.as_object().unwrap() {
            assert!(PAGE.contains(&format!("`{name}`")), "{name}");
            let inner = value.as_array().and_then(|rows| rows.first()).unwrap_or(value);
            for name in inner.as_object().into_iter().flatten().map(|(name, _)| name) {
                assert!(PAGE.contains(&format!("`{name}`")), "{name}");
            }
        }
    }
}
