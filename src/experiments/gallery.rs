//! Shared code of figures 3, 4 and 6: images of the trained generator, observed in several ways,
//! recovered by several methods and measured. The first of them are drawn below one another.
//!
//! A record's row contains the recovered code, so that pictures can be drawn from the record alone.

mod descents;
mod pinned;
mod shape;
mod shared;
mod summary;

use std::sync::Arc;
use std::time::Instant;

use nalgebra::{DMatrix, DVectorView};
use serde::{Deserialize, Serialize};

use super::instance::SUCCESS;
use super::study::Study;
use crate::batch::InvertedBatch;
use crate::cpu::forward::forward;
use crate::error::Result;
use crate::network::Network;
use crate::pictures::{Grid, Row as Images, usual_white};
use crate::random::{Domain, normal_vector};
pub use descents::Descent;
use pinned::Pinned;
use shape::Shape;
pub use shared::Shared;

/// Images side by side, of all blocks together.
const ACROSS: usize = 12;
/// First words of the status of a method that does not support such observations.
const NOT_TRIED: &str = "not tried";
/// Maximum number of weights of a small network.
const SMALL: usize = 50_000;

/// Images of the trained generator, and their observations.
pub struct Gallery {
    network: Arc<Network>,
    shape: Shape,
    /// `k` × count.
    codes: DMatrix<f64>,
    /// `n` × count: `G` of the codes.
    images: DMatrix<f64>,
    blocks: Vec<Block>,
    methods: Vec<&'static str>,
}

/// One way to observe all images.
pub struct Block {
    /// The name in the record.
    pub name: String,
    /// The caption above its images.
    pub caption: String,
    /// `m` × count; `NaN` where not observed.
    pub observations: DMatrix<f64>,
    /// `n` × count: the observations as they are drawn.
    pub shown: DMatrix<f64>,
    /// `A`; `None` if it is the identity.
    pub matrix: Option<DMatrix<f64>>,
}

/// The row of an image recovered by one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The block's name.
    pub case: String,
    /// Which image, from 0.
    pub image: usize,
    /// The method.
    pub method: String,
    /// `‖G(z) − G(z*)‖ / ‖G(z*)‖`, 0 for the truth itself; infinite for a failure.
    pub image_error: f64,
    /// `‖z − z*‖ / ‖z*‖`; infinite for a failure.
    pub code_error: f64,
    /// Whether the image's error is at most [`SUCCESS`].
    pub success: bool,
    /// Whether the observed entries determine the image near the truth, to first order.
    pub image_pinned: bool,
    /// Whether they determine the code near the truth, to first order.
    pub code_pinned: bool,
    /// Whether they determine the input of each layer, from the last layer on: the requirement of
    /// inversion one layer at a time.
    pub layers_determined: bool,
    /// The status as in reports; for a method that was not tried, with the reason.
    pub status: String,
    /// Seconds of one thread, without preparations.
    pub seconds: f64,
    /// The entries of the code, separated by spaces.
    pub code: String,
}

/// The result of a method on an observation.
pub enum Outcome {
    /// Codes, and the seconds that they took.
    Found(InvertedBatch, f64),
    /// The method does not support such observations, for this reason.
    NotTried(&'static str),
}

impl Gallery {
    /// Creates images of codes N(0, I), drawn with a seed that begins with `first`, to be recovered
    /// by `methods`: `count` images, or fewer for a large network.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for images that are too wide to be drawn.
    pub fn new(study: &Study, first: u64, count: usize, methods: &[&'static str]) -> Result<Self> {
        let network = Arc::clone(&study.trained().network);
        let shape = Shape::of(network.observation_length())?;
        let (k, seed) = (network.code_length(), study.seed(&[first]));
        let count = within_reach(&network, count).max(3).min(count);
        let codes: Vec<f64> = (0..count as u64).flat_map(|index| normal_vector(seed, Domain::Code, index, k)).collect();
        let codes = DMatrix::from_vec(k, count, codes);
        let images = forward(&network, 0..network.depth(), &codes);
        Ok(Gallery { network, shape, codes, images, blocks: Vec::new(), methods: methods.to_vec() })
    }

    /// The generator.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// `n` × count.
    pub fn images(&self) -> &DMatrix<f64> {
        &self.images
    }

    /// Adds another way to observe the images.
    pub fn observe(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Recovers all images in all blocks by all methods. `invert` processes one observation at a
    /// time. Its arguments are the index of the block, the observation as a column, the index of
    /// the image, and the index of the method.
    ///
    /// # Errors
    /// Those of `invert` and of [`Study::runs`].
    pub fn recover(
        &self,
        study: &Study,
        name: &str,
        invert: impl Fn(usize, &DMatrix<f64>, usize, usize) -> Result<Outcome> + Sync,
    ) -> Result<Vec<Row>> {
        let jobs: Vec<(usize, usize)> = (0..self.blocks.len())
            .flat_map(|block| (0..self.images.ncols()).map(move |image| (block, image)))
            .collect();
        study.runs(name, &jobs, self.methods.len(), |&(block, image)| {
            let Block { name, observations, matrix, .. } = &self.blocks[block];
            let observation = observations.columns(image, 1).into_owned();
            let code = self.codes.column(image).into_owned();
            let pinned = Pinned::at(&self.network, &code, observation.as_slice(), matrix.as_ref());
            let row = |(place, method): (usize, &&str)| {
                let (codes, status, seconds) = match invert(block, &observation, image, place)? {
                    Outcome::Found(found, seconds) => {
                        let status = found.rows.first().map_or_else(String::new, |row| row.status.to_string());
                        (found.codes, status, seconds)
                    }
                    Outcome::NotTried(reason) => {
                        (DMatrix::from_element(code.len(), 1, f64::NAN), format!("{NOT_TRIED}: {reason}"), f64::NAN)
                    }
                };
                let [image_error, code_error] = self.errors(image, &codes);
                let entries: Vec<String> = codes.iter().map(f64::to_string).collect();
                let success = image_error <= SUCCESS;
                Ok(Row {
                    case: name.clone(),
                    image,
                    method: (*method).to_owned(),
                    image_error,
                    code_error,
                    success,
                    image_pinned: pinned.image,
                    code_pinned: pinned.code,
                    layers_determined: pinned.layers,
                    status,
                    seconds,
                    code: entries.join(" "),
                })
            };
            self.methods.iter().enumerate().map(row).collect()
        })
    }

    /// Relative errors of image and code.
    fn errors(&self, image: usize, code: &DMatrix<f64>) -> [f64; 2] {
        let found = forward(&self.network, 0..self.network.depth(), code);
        let of = |found: &DMatrix<f64>, truths: &DMatrix<f64>| relative(&found.column(0), &truths.column(image));
        [of(&found, &self.images), of(code, &self.codes)]
    }

    /// The first images of each block: the truth, the observation, and each method's result.
    pub fn grid(&self, title: &str, rows: &[Row]) -> Grid {
        let each = self.shape.most_across().min(ACROSS).div_euclid(self.blocks.len().max(1)).max(1);
        let each = each.min(self.images.ncols());
        let mut images = vec![
            Images { label: "truth".to_owned(), images: DMatrix::zeros(self.images.nrows(), 0) },
            Images { label: "observed".to_owned(), images: DMatrix::zeros(self.images.nrows(), 0) },
        ];
        let mut captions = Vec::new();
        for block in &self.blocks {
            captions.push(block.caption.clone());
            captions.extend(vec![String::new(); each - 1]);
        }
        let beside = |matrices: Vec<DMatrix<f64>>| {
            let columns: Vec<_> = matrices.iter().flat_map(|matrix| matrix.column_iter()).collect();
            DMatrix::from_columns(&columns)
        };
        let first = |matrix: &DMatrix<f64>| matrix.columns(0, each).into_owned();
        images[0].images = beside(self.blocks.iter().map(|_| first(&self.images)).collect());
        images[1].images = beside(self.blocks.iter().map(|block| first(&block.shown)).collect());
        for method in &self.methods {
            let of_block = |block: &Block| {
                let found: Vec<f64> = (0..each).flat_map(|image| self.code_of(rows, block, method, image)).collect();
                let codes = DMatrix::from_vec(self.network.code_length(), each, found);
                forward(&self.network, 0..self.network.depth(), &codes)
            };
            let found = beside(self.blocks.iter().map(of_block).collect());
            images.push(Images { label: (*method).to_owned(), images: found });
        }
        let Shape { height, width } = self.shape;
        let white = Some(usual_white([&images[0].images]));
        Grid { title: Some(title.to_owned()), captions, rows: images, height, width, white, black: Some(0.0) }
    }

    /// The code in a record; `NaN` if there is none.
    fn code_of(&self, rows: &[Row], block: &Block, method: &str, image: usize) -> Vec<f64> {
        let is_it = |row: &&Row| row.case == block.name && row.method == method && row.image == image;
        let text = rows.iter().find(is_it).map_or("", |row| row.code.as_str());
        let mut code: Vec<f64> = text.split_whitespace().map(|entry| entry.parse().unwrap_or(f64::NAN)).collect();
        code.resize(self.network.code_length(), f64::NAN);
        code
    }
}

/// `number` on small networks; fewer on larger ones, in proportion to their weights.
pub fn within_reach(network: &Network, number: usize) -> usize {
    let weights: usize = network.layers().iter().map(|layer| layer.map().products()).sum();
    if weights > SMALL { (number * SMALL / weights).max(1) } else { number }
}

/// `‖found − truth‖ / ‖truth‖`: 0 if both are equal, even if the truth is 0; infinite for `NaN`.
fn relative(found: &DVectorView<f64>, truth: &DVectorView<f64>) -> f64 {
    let distance = (found - truth).norm();
    let error = if distance == 0.0 { 0.0 } else { distance / truth.norm() };
    if error.is_nan() { f64::INFINITY } else { error }
}

/// Runs `work` and measures its time.
pub fn timed(work: impl FnOnce() -> Result<InvertedBatch>) -> Result<Outcome> {
    let start = Instant::now();
    let found = work()?;
    Ok(Outcome::Found(found, start.elapsed().as_secs_f64()))
}

#[cfg(test)]
pub(super) mod tests;
