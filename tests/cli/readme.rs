//! The README's commands work as written.

use unrelu::read_npy as read_all;

use crate::folder::Folder;

/// The `unrelu` commands of the README's shell block that contains `word`, without their comments.
fn commands(word: &str) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let block = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = block.into_iter().find(|block| block.contains(word)).unwrap();
    let lines = block.replace("\\\n", " ");
    let commands: Vec<String> =
        lines.lines().filter_map(|line| line.split('#').next()?.strip_prefix("unrelu ")).map(str::to_owned).collect();
    assert!(!commands.is_empty(), "no command in {block}");
    commands
}

#[test]
fn an_inversion_without_data_of_ones_own_and_its_shards() {
    let folder = Folder::empty();
    let run = |command: &String| folder.succeeds(&command.split_whitespace().collect::<Vec<_>>());
    let told: Vec<String> = commands("random-network").iter().map(run).collect();
    let summary = told.last().unwrap();
    assert!(summary.contains("reproduced up to noise of size 0.01"), "{summary}");
    assert!(!summary.contains(": 0 (0.0 %)"), "it reads as failure:\n{summary}");

    commands("--shard 1/2").iter().for_each(|command| drop(run(command)));
    let count = |name: &str| read_all(folder.path(name)).unwrap().ncols();
    let parts = [count("part-1.npy"), count("part-2.npy")];
    assert!(parts.iter().all(|part| *part > 0), "an empty shard: {parts:?}");
    assert_eq!(parts.iter().sum::<usize>(), count("merged.npy"));
    assert_eq!(count("merged.npy"), count("observations.npy"));
}
