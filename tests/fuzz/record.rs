//! A record of runs (`.csv`): rows come back, torn ends are cut off, and foreign files stay as they
//! are. The first byte is the size of a group of rows.

use std::fs;

use serde::{Deserialize, Serialize};
use unrelu::internals::experiments::record::Record;

use crate::memory::bounded;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    number: f64,
    perhaps: Option<usize>,
}

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let Some((group, text)) = bytes.split_first() else { return false };
    let group = 1 + usize::from(group % 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.csv");
    fs::write(&path, text).unwrap();
    let opened = bounded(text.len(), || Record::<Row>::open(&path, group));
    let Ok((mut record, rows)) = opened else {
        assert_eq!(fs::read(&path).unwrap(), text, "a refused file was changed");
        return false;
    };
    let kept = fs::read(&path).unwrap();
    assert!(text.starts_with(&kept) && rows.len() % group == 0);
    // Rows that follow join those of before.
    let more: Vec<Row> = (0..group).map(|i| Row { name: "a, b".into(), number: i as f64, perhaps: Some(i) }).collect();
    more.iter().for_each(|row| record.add(row).unwrap());
    let all: Vec<Row> = rows.into_iter().chain(more).collect();
    assert_eq!(words(&Record::open(&path, group).unwrap().1), words(&all));
    // A record that is written anew has the same rows.
    let again = folder.path().join("again.csv");
    let (mut record, none) = Record::<Row>::open(&again, 1).unwrap();
    assert!(none.is_empty());
    all.iter().for_each(|row| record.add(row).unwrap());
    assert_eq!(words(&Record::open(&again, 1).unwrap().1), words(&all));
    true
}

/// Rows as text, in which NaN equals NaN.
fn words(rows: &[Row]) -> String {
    format!("{rows:?}")
}
