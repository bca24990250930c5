//! The columns of a `.csv` report: their names, and the fields of one row.

use crate::outcome::{ObservationRow, UncertaintyRow};

/// The optional columns of a `.csv` report. They are the same for a whole run.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The layers of a layer-wise method, in the order they are solved.
    pub layers: Vec<usize>,
    /// Whether true codes are known.
    pub code_error: bool,
    /// Whether true images are known.
    pub image_error: bool,
    /// Whether the method counts iterations per observation.
    pub iterations: bool,
    /// Whether the method searches from many starts.
    pub search: bool,
    /// Whether the loss has a prior.
    pub prior: bool,
    /// Whether refinement minimises `l1` or `linf`.
    pub refinement: bool,
    /// Number of listed codes, if other minima are counted.
    pub alternatives: Option<usize>,
    /// The columns of the uncertainty, if it is known.
    pub uncertainty: Option<UncertaintyColumns>,
}

/// The columns of the uncertainty of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UncertaintyColumns {
    /// Entries per code.
    pub entries: usize,
    /// Whether there are bounds.
    pub bounds: bool,
}

impl UncertaintyColumns {
    /// The vectors, by name.
    fn vectors(self) -> &'static [&'static str] {
        if self.bounds { &UNCERTAINTY_VECTORS } else { &UNCERTAINTY_VECTORS[..3] }
    }

    fn names(self) -> impl Iterator<Item = String> {
        let of_entries = move |name: &'static str| (0..self.entries).map(move |entry| format!("{name}_{entry}"));
        UNCERTAINTY_NAMES.map(str::to_owned).into_iter().chain(self.vectors().iter().copied().flat_map(of_entries))
    }

    fn fields(self, row: Option<&UncertaintyRow>) -> Vec<String> {
        let Some(row) = row else { return self.names().map(|_| String::new()).collect() };
        let nothing = Vec::new();
        let bounds = [&row.bound_lower, &row.bound_upper].map(|bounds| bounds.as_ref().unwrap_or(&nothing));
        let vectors = [&row.sd, &row.lower, &row.upper, bounds[0], bounds[1]];
        let entry =
            |vector: &Vec<f64>, entry: usize| vector.get(entry).map_or_else(String::new, |value| number(*value));
        let of_entries = |vector| (0..self.entries).map(move |place| entry(vector, place));
        let begin = [row.intervals.to_string(), number(row.noise_size)];
        begin.into_iter().chain(vectors.into_iter().take(self.vectors().len()).flat_map(of_entries)).collect()
    }
}

impl Columns {
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = [
            "index",
            "status",
            "reproduces",
            "residual_linf",
            "residual_l1",
            "residual_l2_relative",
            "fit",
            "determined",
            "tolerance",
            "out_of_range",
            "far_code",
            "clamped",
            "refined",
        ]
        .map(str::to_owned)
        .into();
        names.extend(self.iterations.then(|| "iterations".to_owned()));
        if self.refinement {
            names.extend(REFINEMENT_NAMES.map(|name| format!("refinement_{name}")));
        }
        if self.search {
            names.extend(SEARCH_NAMES.map(|name| format!("search_{name}")));
        }
        names.extend(self.prior.then_some(LOSS_NAMES).into_iter().flatten().map(|name| format!("loss_{name}")));
        names.extend(self.alternatives.into_iter().flat_map(alternative_names));
        names.extend(self.uncertainty.into_iter().flat_map(UncertaintyColumns::names));
        names.extend(self.code_error.then(|| "code_error".to_owned()));
        names.extend(self.image_error.then(|| "image_error".to_owned()));
        for layer in &self.layers {
            names.extend(LAYER_NAMES.map(|name| format!("layer{layer}_{name}")));
        }
        names
    }

    pub(super) fn fields(&self, row: &ObservationRow) -> Vec<String> {
        let mut fields = vec![
            row.index.to_string(),
            row.status.to_string(),
            row.reproduces.to_string(),
            number(row.residual.linf),
            number(row.residual.l1),
            number(row.residual.l2_relative),
            row.fit.map_or_else(String::new, |fit| fit.to_string()),
            row.determined.to_string(),
            number(row.tolerance),
            row.out_of_range.to_string(),
            row.far_code.to_string(),
            row.saturated.to_string(),
            row.refined.to_string(),
        ];
        if self.iterations {
            fields.push(row.iterations.map_or_else(String::new, |iterations| iterations.to_string()));
        }
        if self.refinement {
            match &row.refinement {
                Some(refinement) => fields.extend([
                    refinement.objective.clone(),
                    number(refinement.before),
                    number(refinement.after),
                    refinement.proven.to_string(),
                    refinement.determined.to_string(),
                    refinement.region.clone(),
                ]),
                None => fields.extend(REFINEMENT_NAMES.map(|_| String::new())),
            }
        }
        if self.search {
            match &row.search {
                Some(search) => fields.extend([
                    search.start.to_owned(),
                    search.first_found.to_string(),
                    search.found.to_string(),
                    search.runs.to_string(),
                    search.determined.to_string(),
                    search.stationary.to_string(),
                ]),
                None => fields.extend(SEARCH_NAMES.map(|_| String::new())),
            }
        }
        if self.prior {
            match &row.loss {
                Some(loss) => fields.extend([number(loss.data), number(loss.prior)]),
                None => fields.extend(LOSS_NAMES.map(|_| String::new())),
            }
        }
        if let Some(listed) = self.alternatives {
            match &row.alternatives {
                Some(row) => {
                    fields.push(row.others.to_string());
                    fields.extend(row.losses.iter().map(|loss| number(*loss)));
                }
                None => fields.extend(alternative_names(listed).map(|_| String::new())),
            }
        }
        fields.extend(self.uncertainty.into_iter().flat_map(|columns| columns.fields(row.uncertainty.as_ref())));
        if self.code_error {
            fields.push(row.code_error.map_or_else(String::new, number));
        }
        if self.image_error {
            fields.push(row.image_error.map_or_else(String::new, number));
        }
        for layer in &self.layers {
            match row.layers.iter().find(|row| row.layer == *layer) {
                Some(row) => fields.extend([
                    number(row.epsilon),
                    number(row.objective),
                    row.active_rows.to_string(),
                    row.determined.to_string(),
                    row.undetermined_entries.to_string(),
                    row.solves.to_string(),
                    row.warm_started.to_string(),
                    row.iterations.to_string(),
                    row.pivots.to_string(),
                    row.retries.to_string(),
                    row.certified.to_string(),
                ]),
                None => fields.extend(LAYER_NAMES.map(|_| String::new())),
            }
        }
        fields
    }
}

/// The number of other minima, and the losses of the listed codes.
fn alternative_names(listed: usize) -> impl Iterator<Item = String> {
    std::iter::once("alternatives".to_owned()).chain((0..listed).map(|place| format!("alternative_losses_{place}")))
}

const UNCERTAINTY_NAMES: [&str; 2] = ["intervals", "noise_size"];

const UNCERTAINTY_VECTORS: [&str; 5] = ["sd", "lower", "upper", "bound_lower", "bound_upper"];

const LOSS_NAMES: [&str; 2] = ["data", "prior"];

const REFINEMENT_NAMES: [&str; 6] = ["objective", "before", "after", "proven", "determined", "region"];

const SEARCH_NAMES: [&str; 6] = ["start", "first_found", "found", "runs", "determined", "stationary"];

const LAYER_NAMES: [&str; 11] = [
    "epsilon",
    "objective",
    "active_rows",
    "determined",
    "undetermined_entries",
    "solves",
    "from_neighbour",
    "iterations",
    "pivots",
    "retries",
    "certified",
];

/// The shortest text that is parsed as the same f64; empty for a number that is not finite.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { String::new() }
}
