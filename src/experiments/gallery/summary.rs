//! The summary of a gallery, in words and figures.

use super::{Descent, Gallery, NOT_TRIED, Row, relative};
use crate::experiments::instance::SUCCESS;
use crate::statistics::{median, quantile};

/// The result of one method in one block.
pub struct Tally {
    /// Median of the images' relative error.
    pub median: f64,
    /// The 90th percentile of this error.
    pub percentile_90: f64,
    /// Number of recovered images.
    pub recovered: usize,
    /// Number of these whose image is pinned down.
    pub pinned: usize,
    /// Number of these whose layers are determined.
    pub by_layers: usize,
    /// Median of the seconds per image.
    pub seconds: f64,
}

impl Tally {
    fn of(rows: &[&Row]) -> Self {
        let errors = || rows.iter().map(|row| row.image_error).collect();
        let recovered = || rows.iter().filter(|row| row.success);
        Tally {
            median: median(errors()),
            percentile_90: quantile(errors(), 0.9),
            recovered: recovered().count(),
            pinned: recovered().filter(|row| row.image_pinned).count(),
            by_layers: recovered().filter(|row| row.layers_determined).count(),
            seconds: median(rows.iter().map(|row| row.seconds).collect()),
        }
    }
}

impl Gallery {
    /// Median relative distance of a block's observations, as they are drawn, from the images.
    pub fn observed_error(&self, block: usize) -> f64 {
        let pairs = self.blocks[block].shown.column_iter().zip(self.images.column_iter());
        median(pairs.map(|(shown, truth)| relative(&shown, &truth)).collect())
    }

    /// The result of a method in a block; `None` if it was not tried.
    pub fn tally(&self, rows: &[Row], case: &str, method: &str) -> Option<Tally> {
        let tried: Vec<&Row> = of(rows, case, method).filter(|row| !row.status.starts_with(NOT_TRIED)).collect();
        (!tried.is_empty()).then(|| Tally::of(&tried))
    }

    /// Number of images in a block for which `method` has a smaller error than `other`; `None` if
    /// `other` was not tried.
    pub fn nearer(&self, rows: &[Row], case: &str, method: &str, other: &str) -> Option<usize> {
        self.tally(rows, case, other)?;
        let of_other =
            |image| of(rows, case, other).find(|row| row.image == image).map_or(f64::NAN, |row| row.image_error);
        Some(of(rows, case, method).filter(|row| row.image_error < of_other(row.image)).count())
    }

    /// Explains the terms, then has one line per block and method: the number of recovered images
    /// and the errors.
    pub fn summary(&self, rows: &[Row]) -> String {
        let count = self.images.ncols();
        let mut text = format!(
            " Errors are relative errors of the images; an image is recovered if its error is at most {SUCCESS:.0e}. An image is pinned down \
             if, to first order at the truth, every change of it changes the observation (rank A G' = rank G'). A code is pinned down if \
             this rank is full. Other images and codes farther away may fit as well. Determined layer by layer is the stronger condition \
             of the linear programs: the observed active rows determine the last hidden layer, and so on down to the code. Otherwise a \
             program can have many solutions, and an answer with the status `solved` may be another code than the true one."
        );
        let nothing = rows.iter().filter(|row| !row.success && is_zero(&row.code)).count();
        if nothing > 0 {
            text.push_str(&format!(
                " The answer is the code 0 although the truth is not, {nothing} times: in a generator without biases its image is black."
            ));
        }
        let black = self.images.column_iter().filter(|image| image.iter().all(|pixel| *pixel == 0.0)).count();
        if black > 0 {
            text.push_str(&format!(
                " Of the {count} images {black} are 0 in every pixel; for these the image 0 has an error of 0, any other an infinite one."
            ));
        }
        for block in &self.blocks {
            let first = || of(rows, &block.name, self.methods.first().copied().unwrap_or_default());
            let (images, codes) = (first().filter(|row| row.image_pinned), first().filter(|row| row.code_pinned));
            text.push_str(&format!(
                "\n  {}: {count} images; pinned down: {} images, {} codes; determined layer by layer: {}",
                block.caption,
                images.count(),
                codes.count(),
                first().filter(|row| row.layers_determined).count()
            ));
            for method in &self.methods {
                text.push_str(&self.line(rows, &block.name, method));
            }
        }
        text
    }

    fn line(&self, rows: &[Row], case: &str, method: &str) -> String {
        let widest = self.methods.iter().map(|method| method.len()).max().unwrap_or(0);
        let Some(tally) = self.tally(rows, case, method) else {
            let status = of(rows, case, method).next().map_or(NOT_TRIED, |row| row.status.as_str());
            return format!("\n    {method:<widest$}  {status}");
        };
        let Tally { median, percentile_90, recovered, pinned, by_layers, seconds } = tally;
        let nearer: Vec<String> = (Descent::ALL.into_iter().map(Descent::label).filter(|other| *other != method))
            .filter_map(|other| Some(format!("than {other:?} {}", self.nearer(rows, case, method, other)?)))
            .collect();
        let nearer = if nearer.is_empty() { String::new() } else { format!("; nearer {}", nearer.join(", ")) };
        let of_these = if recovered == 0 {
            String::new()
        } else {
            format!(" ({pinned} of the pinned down, {by_layers} of the determined)")
        };
        format!(
            "\n    {method:<widest$}  error: median {median:.1e}, 90 % up to {percentile_90:.1e}; recovered {recovered}{of_these}{nearer}; \
             {seconds:.3} s each"
        )
    }
}

/// Whether a record's code is 0 in every entry.
fn is_zero(code: &str) -> bool {
    !code.is_empty() && code.split_whitespace().all(|entry| entry.parse() == Ok(0.0))
}

fn of<'a>(rows: &'a [Row], case: &'a str, method: &'a str) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(move |row| row.case == case && row.method == method)
}
