//! Runs on disk: a `.csv` file to which a row is appended, and flushed, as soon as a run is over, so that an experiment that was stopped
//! goes on where it was.

use std::fs::{self, File};
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// An open record of rows of one kind.
pub struct Record<R> {
    path: PathBuf,
    file: File,
    headed: bool,
    rows: PhantomData<R>,
}

impl<R: Serialize + DeserializeOwned> Record<R> {
    /// Opens or begins the file at `path`. Returns the rows it holds: a last line without its end is cut off, and so are the rows beyond
    /// the last whole group of `group`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a file that holds other rows.
    pub fn open(path: &Path, group: usize) -> Result<(Self, Vec<R>)> {
        let file = File::options().create(true).read(true).append(true).open(path);
        let file = file.map_err(|error| Error::io(path, "open", error))?;
        let text = fs::read_to_string(path).map_err(|error| Error::io(path, "read", error))?;
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let mut reader = csv::Reader::from_reader(whole.as_bytes());
        let mut rows = Vec::new();
        // Where the last whole group, or the header, ends.
        let headed = reader.headers().is_ok_and(|headers| !headers.is_empty());
        let mut kept = reader.position().byte();
        let mut records = reader.records();
        while let Some(record) = records.next() {
            let foreign = |error: csv::Error| {
                let expected = "rows as this experiment writes them";
                Error::input(path.display(), error.to_string(), expected, "move the file away, or give another --out")
            };
            let record = record.map_err(foreign)?;
            let headers = records.reader_mut().headers().map_err(foreign)?.clone();
            rows.push(record.deserialize::<R>(Some(&headers)).map_err(foreign)?);
            if rows.len().is_multiple_of(group) {
                kept = records.reader().position().byte();
            }
        }
        rows.truncate(rows.len() / group * group);
        file.set_len(if headed { kept } else { 0 }).map_err(|error| Error::io(path, "cut", error))?;
        Ok((Record { path: path.to_owned(), file, headed, rows: PhantomData }, rows))
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
    fn rows_of_something_else_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        fs::write(&path, "other,columns\n1,2\n").unwrap();
        let error = Record::<Row>::open(&path, 1).err().unwrap().to_string();
        assert!(error.contains("runs.csv") && error.contains("--out"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "other,columns\n1,2\n");
    }
}
