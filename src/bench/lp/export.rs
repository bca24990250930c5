//! Exports the measured LPs as plain arrays, for solvers not written in Rust:
//! `scripts/bench_peers.py` reads them.
//!
//! ```text
//! index.json                   a list of groups, see [`GroupEntry`]
//! 500x100-random/W.npy         rows × columns
//! 500x100-random/linf-0.npy    one row per inequality: unit, side, slack, bound
//! 500x100-random/relaxed-0-q.npy   `q`, one row (relaxed only)
//! ```
//!
//! The folders have the names of the table's lines: `500x100-random-leaky`, `784x60-trained-clean`.
//!
//! An inequality reads `side · (W[unit] · z) − slack · e ≤ bound`. With rows `side · W[unit]` of
//! `A`, and a column `−slack` for each `e`, the problem is `min c·x` s.t. `A x ≤ b`, `x = (z, e)`.
//! `linf` (and `exact`) has one `e ≥ 0` for all rows and `c·x = e`. `l1` has one `e ≥ 0` per unit
//! and `c·x = Σ e`. `relaxed` has no `e`, and `c·x = −q·z`. `z ≥ 0` if `nonnegative` is true;
//! otherwise `z` is free. `objective` is the engine's certified optimum: `e`, `Σ e` or `q·z` (a
//! maximum). Differences from it are relative to `scale`.

use std::fs;
use std::path::{Path, PathBuf};

use nalgebra::DMatrix;
use serde::Serialize;

use super::Group;
use super::instances::{EPSILON, Weights};
use super::measure::comparison_scale;
use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, write_all};
use crate::formats::output::{OutputFile, check_free};
use crate::lp::problem::{LayerSystem, Objective, Problem};

/// One group of `index.json`.
#[derive(Debug, Serialize)]
struct GroupEntry {
    rows: usize,
    columns: usize,
    weights: Weights,
    activation: String,
    nonnegative: bool,
    method: String,
    noise: f64,
    epsilon: f64,
    /// The file with `W`, relative to the folder, like all file names.
    #[serde(rename = "W")]
    weight: String,
    lps: Vec<ProblemEntry>,
}

/// One LP.
#[derive(Debug, Serialize)]
struct ProblemEntry {
    inequalities: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    /// The engine's certified optimum; `null` if there is none.
    objective: Option<f64>,
    /// The scale of a difference of objectives.
    scale: f64,
}

/// An unfinished export; the index is written last.
pub struct Export {
    folder: PathBuf,
    force: bool,
    groups: Vec<GroupEntry>,
}

impl Export {
    /// Starts the export. Without `force`, the folder must not contain an export.
    ///
    /// # Errors
    /// [`Error::Output`] if it contains one; [`Error::Io`] if it cannot be created.
    pub fn begin(folder: &Path, force: bool) -> Result<Self> {
        check_free(&folder.join(INDEX), force)?;
        make_folder(folder)?;
        Ok(Export { folder: folder.to_owned(), force, groups: Vec::new() })
    }

    /// Writes a group's LPs, with the engine's objectives.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, group: Group, system: &LayerSystem, problems: &[Problem], objectives: &[f64]) -> Result<()> {
        let case = group.case;
        let place = case.to_string().replace(' ', "-");
        make_folder(&self.folder.join(&place))?;
        let weight = format!("{place}/W.npy");
        // Every method of a case has the same W.
        if self.groups.iter().all(|known| known.weight != weight) {
            self.write(&weight, &system.transposed)?;
        }
        let mut lps = Vec::with_capacity(problems.len());
        for (index, (problem, objective)) in problems.iter().zip(objectives).enumerate() {
            let inequalities = format!("{place}/{}-{index}.npy", group.method);
            let rows = problem.rows.iter().flat_map(|row| [row.unit as f64, row.side, row.slack, row.bound]);
            self.write(&inequalities, &DMatrix::from_iterator(4, problem.rows.len(), rows))?;
            let q = match &problem.objective {
                Objective::Linear { weights, .. } => {
                    let file = format!("{place}/{}-{index}-q.npy", group.method);
                    self.write(&file, &DMatrix::from_column_slice(weights.len(), 1, weights.as_slice()))?;
                    Some(file)
                }
                _ => None,
            };
            let scale = comparison_scale(problem, *objective);
            lps.push(ProblemEntry { inequalities, q, objective: objective.is_finite().then_some(*objective), scale });
        }
        self.groups.push(GroupEntry {
            rows: case.rows,
            columns: case.columns,
            weights: case.weights,
            activation: case.activation.to_string(),
            nonnegative: case.nonnegative,
            method: group.method.to_string(),
            noise: case.noise,
            epsilon: EPSILON,
            weight,
            lps,
        });
        Ok(())
    }

    /// Writes the index.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(self) -> Result<()> {
        let path = self.folder.join(INDEX);
        let text = serde_json::to_vec_pretty(&self.groups).map_err(|error| Error::io(&path, "write", error.into()))?;
        let mut output = OutputFile::create(&path, self.force)?;
        output.append(&text)?;
        output.finish()
    }

    /// Writes a file; each column of `columns` is a row of the file.
    fn write(&self, file: &str, columns: &DMatrix<f64>) -> Result<()> {
        write_all(&self.folder.join(file), columns, ElementType::F64, self.force)
    }
}

const INDEX: &str = "index.json";

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io(path, "create the folder", error))
}
