//! Records of runs: a `.csv` file to which a row is appended, and flushed, as soon as a run is
//! finished, so that an interrupted experiment can resume.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::columns::columns;
use crate::error::{Error, Result};

/// An open record with rows of one type.
pub struct Record<R> {
    path: PathBuf,
    file: File,
    headed: bool,
    rows: PhantomData<R>,
}

impl<R: Serialize + DeserializeOwned> Record<R> {
    /// Opens or creates the file at `path`. Returns its rows. An incomplete last line is cut off,
    /// and so are rows after the last complete group of `group`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a file with any other content, which stays unchanged.
    pub fn open(path: &Path, group: usize) -> Result<(Self, Vec<R>)> {
        let (rows, length) = read(path, group)?;
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|error| Error::io(path, "open", error))?;
        file.set_len(length).map_err(|error| Error::io(path, "cut", error))?;
        Ok((Record { path: path.to_owned(), file, headed: length > 0, rows: PhantomData }, rows))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&mut self, row: &R) -> Result<()> {
        let failed = |error: std::io::Error| Error::io(&self.path, "append to", error);
        let mut writer = csv::WriterBuilder::new().has_headers(!self.headed).from_writer(Vec::new());
        writer.serialize(row).map_err(|error| failed(error.into()))?;
        let bytes = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        self.headed = true;
        self.file.write_all(&bytes).and_then(|()| self.file.flush()).map_err(failed)
    }
}

/// Reads the rows of the file at `path`, up to the last complete group, and the number of bytes of
/// these and the header.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for a file with any other content.
pub fn read<R: DeserializeOwned>(path: &Path, group: usize) -> Result<(Vec<R>, u64)> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        other => other.map_err(|error| Error::io(path, "read", error))?,
    };
    let header = columns::<R>().join(",") + "\n";
    if header.starts_with(&text) {
        return Ok((Vec::new(), 0));
    }
    let foreign = |found: String| {
        let fix = "move the file away, or give another folder with option `out`";
        Error::input(path.display(), found, format!("rows of {}", header.trim_end()), fix)
    };
    if !text.starts_with(&header) {
        let first = text.lines().next().unwrap_or_default().trim();
        return Err(foreign(if first.is_empty() { "an empty first line".to_owned() } else { first.to_owned() }));
    }
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut reader = csv::Reader::from_reader(whole.as_bytes());
    let mut rows = Vec::new();
    let mut kept = header.len() as u64;
    let mut records = reader.deserialize::<R>();
    while let Some(row) = records.next() {
        rows.push(row.map_err(|error| foreign(error.to_string()))?);
        if rows.len().is_multiple_of(group) {
            kept = records.reader().position().byte();
        }
    }
    rows.truncate(rows.len() / group * group);
    Ok((rows, kept))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Row {
        name: String,
        number: f64,
        perhaps: Option<usize>,
    }

    fn row(number: f64) -> Row {
        Row { name: "a, b".into(), number, perhaps: (number > 1.0).then_some(3) }
    }

    #[test]
    fn rows_come_back_and_what_is_torn_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        let (mut record, rows) = Record::<Row>::open(&path, 2).unwrap();
        assert!(rows.is_empty());
        let written: Vec<Row> = [0.1, 2.5e-300, f64::INFINITY, 4.0, 5.0].map(row).to_vec();
        written.iter().for_each(|row| record.add(row).unwrap());
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut record, rows) = Record::<Row>::open(&path, 2).unwrap();
            assert_eq!(rows, written[..rows.len()]);
            assert!(rows.len() % 2 == 0 && (cut < whole.len() || rows.len() == 4), "{cut}");
            written[rows.len()..].iter().for_each(|row| record.add(row).unwrap());
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn rows_of_something_else_are_refused_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        let foreign =
            ["other,columns\n1,2\n", "my own notes", "number,name,perhaps\n1,a,3\n", "name,number,perhaps,more\n"];
        for text in foreign.into_iter().chain(["name,number,perhaps\na,one,3\n"]) {
            fs::write(&path, text).unwrap();
            let error = Record::<Row>::open(&path, 1).err().unwrap().to_string();
            assert!(
                error.contains("runs.csv") && error.contains("option `out`") && error.contains("name,number,perhaps"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
