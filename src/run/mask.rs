//! Masks of observed entries, from a `.npy` file beside the observations: one row for all
//! observations, or one row per observation.
//!
//! Masks are read with the observations, batch by batch. A masked entry becomes `NaN`, so later
//! code sees only one form of unobserved entries.

use std::path::Path;

use nalgebra::DMatrix;

use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader};

/// An open file of masks: 1 (or `True`) where an entry was observed, 0 where not.
#[derive(Debug)]
pub struct Mask {
    reader: NpyReader,
    /// The mask for all observations, if the file has only one.
    shared: Option<Vec<bool>>,
}

impl Mask {
    /// Opens `path`, of shape `(1, n)` or `(count, n)`: bool, u8 (nonzero means observed), f32 or
    /// f64 (0 and 1 only).
    ///
    /// # Errors
    /// [`Error::Input`] for a file of another kind, or a mask for all observations that hides
    /// everything.
    pub fn open(path: &Path) -> Result<Self> {
        let mut reader = NpyReader::open(path)?;
        let shared = if reader.count() == 1 { Some(next_mask(&mut reader)?) } else { None };
        if shared.as_ref().is_some_and(|observed| !observed.contains(&true)) {
            return Err(hides_everything(path, "a mask with zeros only"));
        }
        Ok(Mask { reader, shared })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.reader.path()
    }

    /// Refuses a mask that does not fit the observations, or that hides all entries.
    pub fn check(&self, observations: &NpyReader) -> Result<()> {
        let what = format!("the width of {}", observations.path().display());
        self.reader.check_width(observations.width(), &what)?;
        if self.shared.is_some() {
            return Ok(());
        }
        if self.reader.count() != observations.count() {
            return Err(Error::input(
                self.path().display(),
                format!("{} masks", self.reader.count()),
                format!("one for all observations, or {}, one for each", observations.count()),
                "use the masks that were made for these observations",
            ));
        }
        let mut all = NpyReader::open(self.path())?;
        // Floating-point masks are read to the end, to find numbers other than 0 and 1. For other
        // types, reading stops at the first observed entry.
        let to_the_end = !matches!(all.element_type(), ElementType::U8 | ElementType::Bool);
        let mut any = false;
        while let Some(rows) = all.read_batch(64)? {
            for &x in rows.iter() {
                any |= is_observed(&all, x)?;
            }
            if any && !to_the_end {
                break;
            }
        }
        if any {
            return Ok(());
        }
        Err(hides_everything(self.path(), "masks with zeros only"))
    }

    /// The digest of the file. Later, blocks of `rows` masks that have changed are refused; see
    /// [`NpyReader::pin`].
    pub fn pin(&mut self, rows: usize) -> Result<String> {
        let digest = self.reader.pin(rows)?;
        if let Some(shared) = &self.shared {
            // The mask was read before it was pinned.
            self.reader.skip_to(0)?;
            if *shared != next_mask(&mut self.reader)? {
                return Err(Error::input(
                    self.path().display(),
                    "other numbers than when it was opened: the file was changed in the meantime",
                    "a file that does not change during a run",
                    "wait until the file is complete, then start again",
                ));
            }
        }
        Ok(digest)
    }

    /// Makes the mask of observation `index` the first of the next batch.
    pub fn skip_to(&mut self, index: usize) -> Result<()> {
        if self.shared.is_some() { Ok(()) } else { self.reader.skip_to(index) }
    }

    /// Sets the entries that the next masks hide to `NaN`. `observations`: `n` × count.
    ///
    /// # Errors
    /// [`Error::Input`] for a number that is neither 0 nor 1; errors while reading.
    pub fn hide(&mut self, observations: &mut DMatrix<f64>) -> Result<()> {
        if let Some(shared) = &self.shared {
            for mut observation in observations.column_iter_mut() {
                hide(&mut observation, shared);
            }
            return Ok(());
        }
        let masks = self.reader.read_batch(observations.ncols())?;
        for (mut observation, mask) in observations.column_iter_mut().zip(masks.iter().flat_map(DMatrix::column_iter)) {
            let observed = mask.iter().map(|&x| is_observed(&self.reader, x)).collect::<Result<Vec<bool>>>()?;
            hide(&mut observation, &observed);
        }
        Ok(())
    }
}

fn hide<'a>(observation: impl IntoIterator<Item = &'a mut f64>, observed: &[bool]) {
    for (x, _) in observation.into_iter().zip(observed).filter(|(_, observed)| !**observed) {
        *x = f64::NAN;
    }
}

/// The next mask of the file.
fn next_mask(reader: &mut NpyReader) -> Result<Vec<bool>> {
    let row = reader.read_batch(1)?;
    row.iter().flatten().map(|&x| is_observed(reader, x)).collect()
}

fn is_observed(reader: &NpyReader, x: f64) -> Result<bool> {
    let is_byte = matches!(reader.element_type(), ElementType::U8 | ElementType::Bool);
    if is_byte || x == 0.0 || x == 1.0 {
        return Ok(x != 0.0);
    }
    Err(Error::input(
        reader.path().display(),
        format!("the number {x}"),
        "1 where an entry was observed and 0 where not",
        "save mask.astype(bool)",
    ))
}

fn hides_everything(path: &Path, found: &str) -> Error {
    Error::input(
        path.display(),
        found,
        "at least one observed entry",
        "write 1 (or True) where an entry was observed; check whether the mask is inverted",
    )
}
