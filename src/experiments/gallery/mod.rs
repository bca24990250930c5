//! What figures 3, 4 and 6 share: images of the trained generator, observed in several ways, recovered by several methods, measured, and
//! the first of them drawn one under the other.
//!
//! A record's row has the code that was found, so that pictures can be drawn from a record alone.

mod determined;
mod shape;

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::instance::SUCCESS;
use super::study::Study;
use crate::batch::InvertedBatch;
use crate::cpu::forward::forward;
use crate::error::Result;
use crate::network::Network;
use crate::pictures::{Grid, Row as Images, usual_white};
use crate::random::{Domain, normal_vector};
use crate::statistics::{median, quantile};
use shape::Shape;

/// Images beside one another, of all blocks.
const ACROSS: usize = 12;
/// What the others are held against.
const BASELINE: &str = "descent";
/// The status of a method that cannot work on such observations.
const NOT_TRIED: &str = "not tried";
/// Up to so many weights a network is small.
const SMALL: usize = 50_000;

/// Images of the trained generator, and what is observed of them.
pub struct Gallery {
    network: Arc<Network>,
    shape: Shape,
    /// `k` × count.
    codes: DMatrix<f64>,
    /// `n` × count: `G` of them.
    images: DMatrix<f64>,
    blocks: Vec<Block>,
    methods: Vec<&'static str>,
}

/// One way to observe all images.
pub struct Block {
    /// In the record.
    pub name: String,
    /// Above its images.
    pub caption: String,
    /// `m` × count; `NaN` where not observed.
    pub observations: DMatrix<f64>,
    /// `n` × count: how the observations are drawn.
    pub shown: DMatrix<f64>,
    /// `A`, where it is not the identity.
    pub matrix: Option<DMatrix<f64>>,
}

/// An image, recovered by one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The block's name.
    pub case: String,
    /// Which image, from 0.
    pub image: usize,
    /// How it was recovered.
    pub method: String,
    /// `‖G(z) − G(z*)‖ / ‖G(z*)‖`; infinite for a failure.
    pub image_error: f64,
    /// `‖z − z*‖ / ‖z*‖`; infinite for a failure.
    pub code_error: f64,
    /// Whether the image's error is at most [`SUCCESS`].
    pub success: bool,
    /// Whether what was observed determines the code near the truth: the Jacobian has full rank there.
    pub determined: bool,
    /// As reports write it.
    pub status: String,
    /// Of one thread, preparations not counted.
    pub seconds: f64,
    /// Its entries, with spaces between them.
    pub code: String,
}

/// What became of one method in one block.
pub struct Tally {
    /// Median of the images' relative error.
    pub median: f64,
    /// Its 90th percentile.
    pub percentile_90: f64,
    /// Images recovered.
    pub recovered: usize,
    /// Of those that are determined.
    pub determined_recovered: usize,
    /// Images that are nearer to the truth than descent's.
    pub nearer: usize,
    /// Median of the seconds.
    pub seconds: f64,
}

impl Gallery {
    /// Images of codes N(0, I), drawn for `name`, that are to be recovered by `methods`; `count` of them, or fewer of a large network.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for images too wide to be drawn.
    pub fn new(study: &Study, name: u64, count: usize, methods: &[&'static str]) -> Result<Self> {
        let network = Arc::clone(&study.trained().network);
        let shape = Shape::of(network.observation_length())?;
        let (k, seed) = (network.code_length(), study.seed(&[name]));
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

    /// Adds one more way to observe the images.
    pub fn observe(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Recovers all images in all blocks by all methods, `invert` one observation at a time: of a block by its place, an observation as a
    /// column, which image it is, and a method by its place. It returns the seconds too, and nothing where a method cannot work.
    ///
    /// # Errors
    /// Those of `invert` and of [`Study::runs`].
    pub fn recover(
        &self,
        study: &Study,
        name: &str,
        invert: impl Fn(usize, &DMatrix<f64>, usize, usize) -> Result<Option<(InvertedBatch, f64)>> + Sync,
    ) -> Result<Vec<Row>> {
        let jobs: Vec<(usize, usize)> = (0..self.blocks.len())
            .flat_map(|block| (0..self.images.ncols()).map(move |image| (block, image)))
            .collect();
        study.runs(name, &jobs, self.methods.len(), |&(block, image)| {
            let Block { name, observations, matrix, .. } = &self.blocks[block];
            let observation = observations.columns(image, 1).into_owned();
            let code = self.codes.column(image).into_owned();
            let determined = determined::is_determined(&self.network, &code, observation.as_slice(), matrix.as_ref());
            let row = |(place, method): (usize, &&str)| {
                let (codes, status, seconds) = match invert(block, &observation, image, place)? {
                    Some((found, seconds)) => {
                        let status = found.rows.first().map_or_else(String::new, |row| row.status.text());
                        (found.codes, status, seconds)
                    }
                    None => (DMatrix::from_element(code.len(), 1, f64::NAN), NOT_TRIED.to_owned(), f64::NAN),
                };
                let [image_error, code_error] = self.errors(image, &codes);
                let entries: Vec<String> = codes.iter().map(f64::to_string).collect();
                let success = image_error <= SUCCESS;
                let (case, method, code) = (name.clone(), (*method).to_owned(), entries.join(" "));
                Ok(Row { case, image, method, image_error, code_error, success, determined, status, seconds, code })
            };
            self.methods.iter().enumerate().map(row).collect()
        })
    }

    /// Relative errors of image and code.
    fn errors(&self, image: usize, code: &DMatrix<f64>) -> [f64; 2] {
        let found = forward(&self.network, 0..self.network.depth(), code);
        let error = |found: &DMatrix<f64>, truth: &DMatrix<f64>| {
            let truth = truth.column(image);
            let error = (found.column(0) - truth).norm() / truth.norm();
            if error.is_nan() { f64::INFINITY } else { error }
        };
        [error(&found, &self.images), error(code, &self.codes)]
    }

    /// The first images of each block: the truth, what was observed, and what each method made of it.
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
        Grid { title: Some(title.to_owned()), captions, rows: images, height, width, white }
    }

    /// The code that a record has; `NaN` where it has none.
    fn code_of(&self, rows: &[Row], block: &Block, method: &str, image: usize) -> Vec<f64> {
        let is_it = |row: &&Row| row.case == block.name && row.method == method && row.image == image;
        let text = rows.iter().find(is_it).map_or("", |row| row.code.as_str());
        let mut code: Vec<f64> = text.split_whitespace().map(|entry| entry.parse().unwrap_or(f64::NAN)).collect();
        code.resize(self.network.code_length(), f64::NAN);
        code
    }

    /// Median of the relative distance of a block's observations, as they are drawn, from the images.
    pub fn observed_error(&self, block: usize) -> f64 {
        let pairs = self.blocks[block].shown.column_iter().zip(self.images.column_iter());
        median(pairs.map(|(shown, truth)| (shown - truth).norm() / truth.norm()).collect())
    }

    /// What became of a method in a block.
    pub fn tally(&self, rows: &[Row], case: &str, method: &str) -> Tally {
        let of = || rows.iter().filter(|row| row.case == case && row.method == method);
        let errors = || of().map(|row| row.image_error).collect();
        let baseline = |image| {
            let is_it = |row: &&Row| row.case == case && row.method == BASELINE && row.image == image;
            rows.iter().find(is_it).map_or(f64::NAN, |row| row.image_error)
        };
        Tally {
            median: median(errors()),
            percentile_90: quantile(errors(), 0.9),
            recovered: of().filter(|row| row.success).count(),
            determined_recovered: of().filter(|row| row.success && row.determined).count(),
            nearer: of().filter(|row| row.image_error < baseline(row.image)).count(),
            seconds: median(of().map(|row| row.seconds).collect()),
        }
    }

    /// A line a block and method: what was recovered of how many, and the errors.
    pub fn summary(&self, rows: &[Row]) -> String {
        let count = self.images.ncols();
        let widest = self.methods.iter().map(|method| method.len()).max().unwrap_or(0);
        let mut text = format!(
            " Errors are those of the images, relative; recovered is an image up to {SUCCESS:.0e}; determined, one whose Jacobian has full \
             rank at the truth in what was observed."
        );
        for block in &self.blocks {
            let of =
                |method: &'static str| rows.iter().filter(move |row| row.case == block.name && row.method == method);
            let determined = of(BASELINE).filter(|row| row.determined).count();
            text.push_str(&format!("\n  {}: {count} images, {determined} of them determined", block.caption));
            for method in &self.methods {
                if of(method).all(|row| row.status == NOT_TRIED) {
                    text.push_str(&format!("\n    {method:<widest$}  not tried: it works on pixels alone"));
                    continue;
                }
                let Tally { median, percentile_90, recovered, determined_recovered, nearer, seconds } =
                    self.tally(rows, &block.name, method);
                text.push_str(&format!(
                    "\n    {method:<widest$}  error: median {median:.1e}, 90 % up to {percentile_90:.1e}; recovered {recovered} \
                     ({determined_recovered} of the determined)"
                ));
                if *method != BASELINE {
                    text.push_str(&format!("; nearer than descent {nearer}"));
                }
                text.push_str(&format!("; {seconds:.3} s each"));
            }
        }
        text
    }
}

/// `number` on small networks; fewer on larger ones, in the measure of their weights.
pub fn within_reach(network: &Network, number: usize) -> usize {
    let weights: usize = network.layers().iter().map(|layer| layer.weight.len()).sum();
    if weights > SMALL { (number * SMALL / weights).max(1) } else { number }
}

/// Runs `work`, and says how long it took.
pub fn timed(work: impl FnOnce() -> Result<InvertedBatch>) -> Result<Option<(InvertedBatch, f64)>> {
    let start = Instant::now();
    let found = work()?;
    Ok(Some((found, start.elapsed().as_secs_f64())))
}

#[cfg(test)]
mod tests;
