//! Masks of observed entries, from a file beside the observations: one mask for all observations,
//! of shape `(n,)`, `(h, w)`, `(1, n)` or `(1, h, w)`, or one per observation, `(count, n)` or
//! `(count, h, w)`. For images of several channels, `(h, w)`, `(1, h, w)` and `(count, 1, h, w)`
//! hold for all channels.
//!
//! Masks are read with the observations, batch by batch. A masked entry becomes `NaN`, so later
//! code sees only one form of unobserved entries.

use std::path::Path;

use nalgebra::{DMatrix, Scalar};

use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader, PixelRange};

/// An open file of masks: 1 (or `True`) where an entry was observed, 0 where not.
#[derive(Debug)]
pub struct Mask {
    reader: NpyReader,
    /// The mask for all observations, if the file has only one.
    shared: Option<Vec<bool>>,
    /// Number of channels that one mask is for.
    channels: usize,
}

impl Mask {
    /// Opens `path` as masks of observations of this shape, `(n,)` or (channels, rows, columns):
    /// bool, or integers or floating-point numbers that are 0 or 1.
    ///
    /// # Errors
    /// [`Error::Input`] for a file of another kind, for other numbers in a mask for all
    /// observations, or if that mask hides everything.
    pub fn open(path: &Path, image: &[usize]) -> Result<Self> {
        let mut reader = NpyReader::open_stream(path)?.into_memory()?;
        let width: usize = image.iter().product();
        let channels = channels_of_one(reader.shape(), image);
        if channels == 1
            && let &[rows, columns] = reader.shape()
            && rows.checked_mul(columns).and_then(|plane| plane.checked_mul(3)) == Some(width)
            && columns != width
        {
            return Err(Error::input(
                path.display(),
                format!("shape ({rows}, {columns}), a third of an observation"),
                format!("{width} entries per row, one per entry of an observation"),
                format!(
                    "if it is one mask for three channels, state the shape of an image, option \
                     `image: 3x{rows}x{columns}`; or save numpy.tile(mask, (3, 1, 1))"
                ),
            ));
        }
        reader.fit(width / channels, "one per entry of an observation")?;
        reader.set_pixels(PixelRange::Unscaled);
        let shared = if reader.count() == 1 { Some(next_mask(&mut reader)?) } else { None };
        if shared.as_ref().is_some_and(|observed| !observed.contains(&true)) {
            return Err(hides_everything(path, "a mask with zeros only"));
        }
        Ok(Mask { reader, shared, channels })
    }

    /// How the file was read, where its shape does not say it.
    pub fn how_read(&self) -> Option<String> {
        let for_all = if self.shared.is_some() { ", for all observations" } else { "" };
        Some(format!("{}{for_all}", self.reader.how_read("mask")?))
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.reader.path()
    }

    /// Refuses a mask that does not fit the observations, or that hides all entries.
    pub fn check(&mut self, observations: &NpyReader) -> Result<()> {
        let of = format!("the observations of {}", observations.path().display());
        self.check_for(observations.width(), observations.count() as u64, &of)
    }

    /// The same for `count` observations of `width` entries, which `of` names.
    pub fn check_for(&mut self, width: usize, count: u64, of: &str) -> Result<()> {
        let of_mask = self.reader.width() * self.channels;
        if of_mask != width {
            return Err(Error::input(
                self.path().display(),
                format!("masks of {of_mask} entries"),
                format!("{width}, as {of} have"),
                "use the masks that were made for these observations",
            ));
        }
        if self.shared.is_some() {
            return Ok(());
        }
        if self.reader.count() as u64 != count {
            return Err(Error::input(
                self.path().display(),
                format!("{} masks", self.reader.count()),
                format!("one for all observations, or {count}, one for each"),
                "use the masks that were made for these observations",
            ));
        }
        // All numbers but booleans are read to the end, to find those other than 0 and 1. Of
        // booleans, reading stops at the first observed entry.
        let to_the_end = self.reader.element_type() != ElementType::Bool;
        let mut any = false;
        loop {
            let first = self.reader.position();
            let Some(rows) = self.reader.read_batch(64)? else { break };
            any |= observed(&self.reader, first, &rows)?.contains(&true);
            if any && !to_the_end {
                break;
            }
        }
        if any {
            return self.reader.skip_to(0);
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
    pub fn hide<T: Scalar + From<f32>>(&mut self, observations: &mut DMatrix<T>) -> Result<()> {
        if let Some(shared) = &self.shared {
            for mut observation in observations.column_iter_mut() {
                hide(&mut observation, shared);
            }
            return Ok(());
        }
        let first = self.reader.position();
        let Some(masks) = self.reader.read_batch(observations.ncols())? else { return Ok(()) };
        let observed = observed(&self.reader, first, &masks)?;
        for (mut observation, mask) in observations.column_iter_mut().zip(observed.chunks_exact(masks.nrows().max(1))) {
            hide(&mut observation, mask);
        }
        Ok(())
    }
}

/// Hides the entries of one observation. A mask of rows and columns is repeated for each channel.
fn hide<'a, T: From<f32> + 'a>(observation: impl IntoIterator<Item = &'a mut T>, observed: &[bool]) {
    for (x, _) in observation.into_iter().zip(observed.iter().cycle()).filter(|(_, observed)| !**observed) {
        *x = f32::NAN.into();
    }
}

/// The number of channels that one mask of an array of this shape is for: all of the image's if it
/// has rows and columns only.
fn channels_of_one(shape: &[usize], image: &[usize]) -> usize {
    let &[channels, rows, columns] = image else { return 1 };
    let is_plane = match *shape {
        [h, w] | [1, h, w] | [_, 1, h, w] => (h, w) == (rows, columns),
        _ => false,
    };
    if is_plane && channels > 1 { channels } else { 1 }
}

/// The next mask of the file.
fn next_mask(reader: &mut NpyReader) -> Result<Vec<bool>> {
    let first = reader.position();
    let row = reader.read_batch(1)?;
    row.map_or(Ok(Vec::new()), |row| observed(reader, first, &row))
}

/// Whether each entry was observed. `masks`: one per column, from index `first` on.
fn observed(reader: &NpyReader, first: usize, masks: &DMatrix<f64>) -> Result<Vec<bool>> {
    let Some(other) = masks.iter().position(|x| *x != 0.0 && *x != 1.0) else {
        return Ok(masks.iter().map(|x| *x != 0.0).collect());
    };
    let (mask, entry) = (first + other / masks.nrows(), other % masks.nrows());
    Err(Error::input(
        reader.path().display(),
        format!("the number {} in mask {mask} at entry {entry}", masks.as_slice()[other]),
        "1 where an entry was observed and 0 where not",
        "save mask.astype(bool), or mask > 0.5, whichever is meant",
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
