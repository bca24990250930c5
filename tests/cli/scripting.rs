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
        // What they print is data.
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.is_empty() || block.contains("grep -c") && printed.trim().parse::<u32>().is_ok(), "{block}");
    }
    // Again: the rule resumes a finished run.
    let text = String::from_utf8(folder.bytes("report.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 600);
}

/// The names of a schema's object, and whether each is required.
fn names_of(schema: &Value) -> Vec<(String, bool)> {
    let required = schema["required"].as_array().unwrap();
    let names = schema["properties"].as_object().unwrap().keys();
    names.map(|name| (name.clone(), required.contains(&Value::from(name.as_str())))).collect()
}

/// Checks the names of an object against its schema. `python/tests/test_scripting.py` checks the
/// values, too.
#[track_caller]
fn check_names(value: &Value, schema: &Value) {
    let names = names_of(schema);
    let found = value.as_object().unwrap();
    for name in found.keys() {
        assert!(names.iter().any(|(known, _)| known == name), "{name} is not in the schema");
    }
    for (name, _) in names.iter().filter(|(_, required)| *required) {
        assert!(found.contains_key(name), "{name} is missing");
    }
}

#[test]
fn records_have_the_names_of_their_schemas() {
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let of_summary = schema(include_str!("../../docs/schema/summary.schema.json"));
    let of_generation = schema(include_str!("../../docs/schema/generate.schema.json"));
    let folder = Folder::with_network();
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&folder.succeeds(arguments)).unwrap() };
    let generate = ["generate", "net.safetensors", "--count", "3", "-o", "x.npy", "--codes-out", "t.npy", "--json"];
    let made = json(&generate);
    check_names(&made, &of_generation);
    check_names(&made["run"], &of_generation["properties"]["run"]);
    for method in ["linf", "best", "descent"] {
        let invert = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--method", method];
        let totals =
            json(&[&invert[..], &["--device", "cpu", "--json", "--truth", "t.npy", "--allow-incomplete"]].concat());
        check_names(&totals, &of_summary);
        check_names(&totals["run"], &of_summary["properties"]["run"]);
        check_names(&totals["seconds"], &of_summary["properties"]["seconds"]);
    }
}

#[test]
fn its_table_has_every_column() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/report.schema.json")).unwrap();
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
        check_names(&row, &schema);
        for (name, value) in row.as_object().unwrap() {
            assert!(PAGE.contains(&format!("`{name}`")), "{name}");
            let inner = value.as_array().and_then(|rows| rows.first()).unwrap_or(value);
            for name in inner.as_object().into_iter().flatten().map(|(name, _)| name) {
                assert!(PAGE.contains(&format!("`{name}`")), "{name}");
            }
        }
    }
}
