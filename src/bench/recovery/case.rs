//! The kinds of measurements of an image.

use std::fmt;
use std::str::FromStr;

use nalgebra::DMatrix;

use crate::bench::subject::Subject;
use crate::error::Result;
use crate::random::{Domain, uniform_vector};
use crate::recover::operators::{BlockAverage, Dense, Operator, Pixels};

/// Seeds of the masks and of the random projections.
const SEEDS: [u64; 2] = [5, 6];

/// A kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Case {
    /// This share of the pixels is hidden; each image has its own random pixels.
    Hidden(f64),
    /// The middle quarter of a square image is hidden.
    Centre,
    /// The lower half is hidden.
    Lower,
    /// This number of random projections.
    Gaussian(usize),
    /// Averages of blocks with this number of pixels per side.
    Average(usize),
}

impl Case {
    /// The cases of docs/RECOVERY.md.
    pub fn usual() -> Vec<Self> {
        let hidden = [0.5, 0.75, 0.9].map(Case::Hidden);
        let gaussian = [25, 50, 100, 200, 250].map(Case::Gaussian);
        hidden.into_iter().chain([Case::Centre, Case::Lower]).chain(gaussian).chain([Case::Average(4)]).collect()
    }

    /// Whether this case is possible for the images of this network.
    pub fn fits(self, subject: &Subject) -> bool {
        let side = side_of(subject.network.observation_length());
        match self {
            Case::Hidden(_) | Case::Gaussian(_) => true,
            Case::Centre | Case::Lower => side.is_some(),
            Case::Average(block) => side.is_some_and(|side| BlockAverage::new(side, side, block).is_ok()),
        }
    }

    /// The operator for images with this number of pixels.
    ///
    /// # Errors
    /// If this case is not possible for such images.
    pub fn operator(self, pixels: usize) -> Result<Box<dyn Operator>> {
        Ok(match self {
            Case::Hidden(_) | Case::Centre | Case::Lower => Box::new(Pixels(pixels)),
            Case::Gaussian(measurements) => Box::new(Dense::gaussian(measurements, pixels, SEEDS[1])?),
            Case::Average(block) => {
                let side = side_of(pixels).unwrap_or(0);
                Box::new(BlockAverage::new(side, side, block)?)
            }
        })
    }

    /// Replaces hidden pixels in the measurements with `NaN`.
    pub fn hide(self, measurements: &mut DMatrix<f64>) {
        let pixels = measurements.nrows();
        for (index, mut y) in (0_u64..).zip(measurements.column_iter_mut()) {
            let hidden: Vec<bool> = match self {
                Case::Hidden(share) => {
                    let drawn = uniform_vector(SEEDS[0], Domain::Operator, index, pixels);
                    drawn.into_iter().map(|u| u < share).collect()
                }
                Case::Centre => of_square(pixels, |row, column, side| {
                    (side / 4..side - side / 4).contains(&row) && (side / 4..side - side / 4).contains(&column)
                }),
                Case::Lower => of_square(pixels, |row, _, side| row >= side / 2),
                Case::Gaussian(_) | Case::Average(_) => return,
            };
            y.iter_mut().zip(hidden).filter(|(_, hidden)| *hidden).for_each(|(y, _)| *y = f64::NAN);
        }
    }

    /// Whether the measurements are pixels.
    pub fn is_mask(self) -> bool {
        matches!(self, Case::Hidden(_) | Case::Centre | Case::Lower)
    }
}

fn side_of(pixels: usize) -> Option<usize> {
    let side = pixels.isqrt();
    (side * side == pixels).then_some(side)
}

fn of_square(pixels: usize, is_hidden: impl Fn(usize, usize, usize) -> bool) -> Vec<bool> {
    let side = pixels.isqrt().max(1);
    (0..pixels).map(|pixel| is_hidden(pixel / side, pixel % side, side)).collect()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Case::Hidden(share) => write!(f, "hidden:{share}"),
            Case::Centre => f.write_str("centre"),
            Case::Lower => f.write_str("lower"),
            Case::Gaussian(measurements) => write!(f, "gaussian:{measurements}"),
            Case::Average(block) => write!(f, "average:{block}"),
        }
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
        let parsed = match text.split_once(':') {
            Some(("hidden", share)) => {
                share.parse().ok().filter(|share| *share > 0.0 && *share < 1.0).map(Case::Hidden)
            }
            Some(("gaussian", measurements)) => number(measurements).map(Case::Gaussian),
            Some(("average", block)) => number(block).map(Case::Average),
            None if text == "centre" => Some(Case::Centre),
            None if text == "lower" => Some(Case::Lower),
            _ => None,
        };
        parsed.ok_or_else(|| format!("found `{text}`, expected hidden:SHARE, centre, lower, gaussian:M or average:B"))
    }
}
