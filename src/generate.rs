//! Generates observations from codes, a batch at a time: files of any length in bounded memory.
//!
//! Every observation is computed separately, in f64. It is the image of its code, or what a linear
//! map or a mask lets through of it, and then noise. Its code and noise are drawn by its index. So
//! the outputs have the same bytes for every batch size.

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader, NpyWriter, PixelRange};
use crate::formats::output::refuse_overlap;
use crate::formats::streams;
use crate::memory;
use crate::network::Network;
use crate::random::{Domain, Noise, normal_vector};
use crate::recover::operators::Operator;
use crate::run::mask::Mask;

/// The source of the codes.
#[derive(Debug)]
pub enum Codes {
    /// A file of shape `(count, k)`.
    File(Box<NpyReader>),
    /// N(0, I), drawn from the seed by index.
    Random {
        /// Number of codes.
        count: u64,
        /// The file for the codes, if they are to be written.
        out: Option<PathBuf>,
    },
}

impl Codes {
    /// Number of codes.
    pub fn count(&self) -> u64 {
        match self {
            Codes::File(reader) => (reader.count() - reader.position()) as u64,
            Codes::Random { count, .. } => *count,
        }
    }
}

/// The files and options of a generation.
#[derive(Debug)]
pub struct Generation<'a> {
    /// The generator.
    pub network: &'a Network,
    /// The network's file, which no output may replace.
    pub network_file: Option<PathBuf>,
    /// The source of the codes.
    pub codes: Codes,
    /// The linear map that measures the images.
    pub operator: &'a dyn Operator,
    /// The file for the matrix of that map, `(m, n)`, if it is to be written.
    pub operator_out: Option<PathBuf>,
    /// Which measurements are seen; the others become `NaN`.
    pub mask: Option<Mask>,
    /// Files that no output may replace, each with a name for messages.
    pub other_inputs: Vec<(&'static str, PathBuf)>,
    /// The file for the measurements, `(count, m)`; `-` is standard output, also for the other two.
    pub output: PathBuf,
    /// Noise that is added to the measurements.
    pub noise: Option<Noise>,
    /// The seed of random codes and noise.
    pub seed: u64,
    /// The type of both outputs. With f32, the observations are computed from the rounded codes.
    pub element_type: ElementType,
    /// Number of observations per batch, at least 1.
    pub batch: usize,
    /// Whether existing outputs are replaced.
    pub force: bool,
}

impl Generation<'_> {
    /// Writes the observations, and the codes if requested. After each batch, `progress` receives
    /// the number of observations done, and returns whether to continue. Returns their number.
    ///
    /// # Errors
    /// Invalid codes, or outputs that cannot be written, before any work. [`Error::Cancelled`] if
    /// `progress` returns false. In both cases, no file is left behind.
    pub fn run(mut self, mut progress: impl FnMut(u64) -> bool) -> Result<u64> {
        let code_length = self.network.code_length();
        let codes_file = match &self.codes {
            Codes::File(reader) => Some(reader.path().to_owned()),
            Codes::Random { .. } => None,
        };
        let network_file = self.network_file.as_deref().map(|path| ("the network", path));
        let inputs: Vec<(&str, &Path)> =
            codes_file.as_deref().map(|path| ("the codes", path)).into_iter().chain(network_file).collect();
        let others = self.other_inputs.iter().map(|(what, path)| (*what, path.as_path()));
        let inputs: Vec<(&str, &Path)> = inputs.into_iter().chain(others).collect();
        refuse_overlap("output", &self.output, &inputs)?;
        let codes_out = match &self.codes {
            Codes::Random { out, .. } => out.as_deref(),
            Codes::File(_) => None,
        };
        let outputs =
            [("output", Some(&*self.output)), ("codes.out", codes_out), ("operator.out", self.operator_out.as_deref())];
        streams::refuse_twice(streams::OUTPUT, &outputs)?;
        let width = self.operator.measurements();
        if let Codes::File(reader) = &mut self.codes {
            reader.fit(code_length, "the length of the network's codes")?;
            reader.set_pixels(PixelRange::Unscaled);
        }
        // Only now the number of codes is sure.
        let batch = (self.batch as u64).min(self.codes.count()) as usize;
        let bytes = memory::of_matrix(batch, self.network.observation_length() + width);
        memory::check("batch", || format!("{} of {batch} observations", self.batch), bytes)?;
        if let Some(mask) = &mut self.mask {
            mask.check_for(width, self.codes.count(), "the measurements")?;
        }
        let mut codes_out = match &self.codes {
            Codes::Random { out: Some(path), count } => {
                refuse_overlap("codes.out", path, &[("the output of option `output`", &self.output)])?;
                refuse_overlap("codes.out", path, &inputs)?;
                Some(NpyWriter::create_of(path, *count, code_length, self.element_type, self.force)?)
            }
            _ => None,
        };
        let matrix = self.matrix(&inputs)?;
        let count = self.codes.count();
        let mut output = NpyWriter::create_of(&self.output, count, width, self.element_type, self.force)?;

        let mut done = 0;
        while let Some(codes) = self.next_codes(done)? {
            let images = forward(self.network, 0..self.network.depth(), &codes);
            let mut observations = self.operator.apply(&images);
            if let Some(noise) = self.noise {
                observations
                    .as_mut_slice()
                    .par_chunks_mut(width)
                    .enumerate()
                    .for_each(|(column, observation)| noise.apply(self.seed, done + column as u64, observation));
            }
            if let Some(mask) = &mut self.mask {
                mask.hide(&mut observations)?;
            }
            if let Some(writer) = &mut codes_out {
                writer.write(&codes)?;
            }
            output.write(&observations)?;
            done += codes.ncols() as u64;
            if !progress(done) {
                return Err(Error::Cancelled);
            }
        }
        for writer in codes_out.into_iter().chain(matrix) {
            writer.finish()?;
        }
        output.finish()?;
        Ok(done)
    }

    /// The unfinished file of the operator's matrix, if it is wanted.
    fn matrix(&self, inputs: &[(&str, &Path)]) -> Result<Option<NpyWriter>> {
        let Some(path) = &self.operator_out else { return Ok(None) };
        let Some(matrix) = self.operator.matrix() else {
            let expected = "a linear map other than the pixels themselves";
            return Err(Error::option("operator.out", "given without a matrix to write", expected));
        };
        refuse_overlap("operator.out", path, &[("the output of option `output`", &self.output)])?;
        if let Codes::Random { out: Some(codes), .. } = &self.codes {
            refuse_overlap("operator.out", path, &[("the output of the codes", codes)])?;
        }
        refuse_overlap("operator.out", path, inputs)?;
        // In f64 always: it belongs to the measurements, which are computed with it.
        let mut writer =
            NpyWriter::create_of(path, matrix.nrows() as u64, matrix.ncols(), ElementType::F64, self.force)?;
        writer.write(&matrix.transpose())?;
        Ok(Some(writer))
    }

    /// The codes of the next batch, `k × batch`, starting at index `done`; `None` after the last.
    fn next_codes(&mut self, done: u64) -> Result<Option<DMatrix<f64>>> {
        let count = match &mut self.codes {
            Codes::File(reader) => return reader.read_batch(self.batch),
            Codes::Random { count, .. } => *count,
        };
        let columns = (count - done).min(self.batch.max(1) as u64);
        if columns == 0 {
            return Ok(None);
        }
        let numbers: Vec<Vec<f64>> = (done..done + columns)
            .into_par_iter()
            .map(|index| normal_vector(self.seed, Domain::Code, index, self.network.code_length()))
            .collect();
        let mut codes = DMatrix::from_vec(self.network.code_length(), columns as usize, numbers.concat());
        if self.element_type == ElementType::F32 {
            // Rounded, so that the observations belong to the codes as written.
            codes.apply(|entry| *entry = f64::from(*entry as f32));
        }
        Ok(Some(codes))
    }
}
