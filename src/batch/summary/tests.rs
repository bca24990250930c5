use super::*;
use crate::batch::BatchTimes;
use crate::batch::rows::empty_row;
use crate::outcome::{Failure, FailureKind, LayerFailure, LayerFailureKind};

fn of(statuses: Vec<Status>) -> Summary {
    let rows = (0..).zip(statuses).map(|(index, status)| empty_row(index, status)).collect();
    let codes = nalgebra::DMatrix::zeros(0, 0);
    let mut summary = Summary { device: "CPU".to_owned(), ..Summary::default() };
    summary.add(&InvertedBatch { first_index: 0, codes, rows, times: BatchTimes::default() });
    summary
}

fn infinite(entry: usize) -> Failure {
    Failure::InfiniteEntry { entry, value: f64::INFINITY }
}

fn missed(layer: usize, violation: f64) -> Failure {
    Failure::Layer { layer, why: LayerFailure::NoExactPreImage { violation, tolerance: 1e-9 } }
}

fn projected(why: Failure) -> Failure {
    Failure::NoProjection(Box::new(why))
}

/// One failure of each kind; some kinds occur twice with other numbers.
fn failures() -> Vec<Status> {
    let solver = Failure::Layer { layer: 1, why: LayerFailure::SolverFailed };
    let failures = [
        infinite(3),
        infinite(40),
        Failure::NothingObserved,
        missed(2, 0.1),
        missed(2, 0.2),
        missed(1, 0.1),
        solver,
        Failure::Diverged,
        projected(infinite(1)),
        projected(infinite(2)),
        projected(Failure::Diverged),
    ];
    failures.map(Status::Failed).into()
}

#[test]
fn failures_are_counted_by_variant_and_layer() {
    let mut statuses = failures();
    statuses.extend([Status::Solved, Status::NotConverged]);
    let summary = of(statuses);
    assert_eq!((summary.observations, summary.solved, summary.not_certified, summary.failed), (13, 1, 1, 11));
    let no_pre_image = |layer| FailureKind::Layer { layer, why: LayerFailureKind::NoExactPreImage };
    let projection = |kind| FailureKind::NoProjection(Box::new(kind));
    let expected = [
        (FailureKind::InfiniteEntry, 2),
        (FailureKind::NothingObserved, 1),
        (no_pre_image(1), 1),
        (FailureKind::Layer { layer: 1, why: LayerFailureKind::SolverFailed }, 1),
        (no_pre_image(2), 2),
        (FailureKind::Diverged, 1),
        (projection(FailureKind::InfiniteEntry), 2),
        (projection(FailureKind::Diverged), 1),
    ];
    let found: Vec<_> = summary.failures.iter().map(|(kind, count)| (kind.clone(), count)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_summary_survives_the_journal() {
    let mut summary = of(failures());
    for value in [0.0, 3.7e-9, 0.125, 1.0 / 3.0, f64::INFINITY] {
        summary.residual_linf.add(value);
        summary.residual_rms.add(value / 2.0);
        summary.code_error.get_or_insert_default().add(value);
    }
    (summary.successes, summary.seconds.solve) = (Some(2), 0.1);
    for summary in [summary, Summary::default()] {
        let text = serde_json::to_string(&summary).unwrap();
        let back: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(back, summary, "{text}");
        // A journal parses a line as a JSON value first.
        let value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::from_value::<Summary>(value).unwrap(), summary);
    }
    assert!(serde_json::from_value::<Summary>(Value::Null).is_err());
}

#[test]
fn two_parts_make_a_whole() {
    let mut parts = of(failures().split_off(5));
    parts.merge(&of(failures()[..5].to_vec()));
    assert_eq!(parts, of(failures()));
}

#[test]
fn json_has_quantiles_and_words() {
    let mut summary = of(failures());
    [1.0, 2.0].into_iter().for_each(|value| summary.residual_linf.add(value));
    summary.code_error.get_or_insert_default().add(0.5);
    summary.image_error.get_or_insert_default().add(0.25);
    let json = summary.json();
    assert_eq!(json["observations"], 11);
    assert_eq!(json["residual_linf"]["largest"], 2.0);
    assert!((json["residual_linf"]["median"].as_f64().unwrap() - 1.0).abs() < 0.03);
    assert_eq!(json["residual_rms"]["largest"], Value::Null);
    assert_eq!(json["failures"]["layer 2 has no exact pre-image"], 2);
    assert_eq!(json["failures"]["no projection: an entry is infinite"], 2);
    assert!(!json.to_string().contains("bins"), "{json}");
    assert!(json.get("successes").is_none(), "{json}");
}
