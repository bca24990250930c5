//! Models that are valid and unusual: what they compute, or their refusal.

use prost::Message;

use super::builder::*;

/// Refused, with these words.
#[track_caller]
fn refused(builder: &Builder, words: &str) {
    let message = read(builder.bytes()).map(drop).expect_err(words).to_string();
    assert!(message.contains(words), "{message}");
}

/// `h · (h > t)` is no ReLU, whatever `t` is; a threshold of 0 is.
#[test]
fn a_threshold_near_0_is_no_relu() {
    let with = |threshold: f64| {
        Builder::new(&[1, 3])
            .normal("w", &[3, 4])
            .with(tensor("t", &[], &[threshold]))
            .node("MatMul", "x w", "h", &[])
            .node("Greater", "h t", "g", &[])
            .node("Cast", "g", "c", &[int("to", 11)])
            .node("Mul", "h c", "y", &[])
    };
    assert!(read(with(0.0).bytes()).is_ok());
    for threshold in [0.2, 0.1, 0.03, -0.1, 1e-3, 3e-5, -3e-5] {
        refused(&with(threshold), "Mul");
    }
}

/// Windows beyond the first padding are left out, and what lies beyond the padding does not count.
#[test]
fn means_at_the_end_of_an_image() {
    let late = Builder::new(&[1, 1, 8, 3]).node(
        "AveragePool",
        "x",
        "y",
        &[ints("kernel_shape", &[1, 2]), ints("strides", &[2, 1]), ints("pads", &[0, 0, 0, 1]), int("ceil_mode", 1)],
    );
    // Rows 0, 2, 4, 6 and, from the padding on, none; columns 0, 1, 2.
    assert_eq!(read(late.bytes()).unwrap().observation_length(), 12);
    let same = Builder::new(&[1, 1, 3, 8]).node(
        "AveragePool",
        "x",
        "y",
        &[ints("kernel_shape", &[4, 3]), ints("strides", &[3, 4]), text("auto_pad", "SAME_UPPER"), int("ceil_mode", 1)],
    );
    assert_eq!(read(same.bytes()).unwrap().observation_length(), 2);
}

#[test]
fn statistics_of_a_batch_are_refused_in_old_opsets() {
    let model = Builder::new(&[1, 3, 2, 2])
        .normal("w", &[3])
        .normal("b", &[3])
        .normal("m", &[3])
        .with(tensor("v", &[3], &[1.0; 3]))
        .node("BatchNormalization", "x w b m v", "y mean var a b2", &[]);
    refused(&model, "evaluation mode");
    let empty = Builder::new(&[-1, 1])
        .with(integers("one", &[1]))
        .normal("e", &[0])
        .node("Squeeze", "x one", "s", &[])
        .node("BatchNormalization", "s e e e e", "y", &[]);
    assert!(read(empty.bytes()).is_err());
}

#[test]
fn values_that_depend_on_the_batch_are_refused() {
    let sized = Builder::new(&[-1, 3]).node("Size", "x", "n", &[]).node("Cast", "n", "f", &[int("to", 11)]).node(
        "Mul",
        "x f",
        "y",
        &[],
    );
    refused(&sized, "open");
    let more = Builder::new(&[1, 4])
        .with(integers("shape", &[3, 4]))
        .normal("w", &[4, 5])
        .node("Expand", "x shape", "e", &[])
        .node("MatMul", "e w", "y", &[]);
    refused(&more, "elements of the batch");
}

/// Each sum of a value with its rotation has the same three terms again.
#[test]
fn sums_of_sums_do_not_grow() {
    let mut model = Builder::new(&[-1, 3]).with(integers("next", &[1, 2, 0]));
    let mut name = "x".to_owned();
    for step in 0..40 {
        let (turned, sum) = (format!("t{step}"), if step == 39 { "y".to_owned() } else { format!("s{step}") });
        model = model.node("Gather", &format!("{name} next"), &turned, &[int("axis", 1)]).node(
            "Add",
            &format!("{name} {turned}"),
            &sum,
            &[],
        );
        name = sum;
    }
    // The other eigenvalues of the rotation plus 1 have the size 1.
    let expected = 2.0_f64.powi(40) / 3.0 * 7.0;
    assert!(model.forward(&[1.0, 2.0, 4.0]).iter().all(|y| (y / expected - 1.0).abs() < 1e-9));
}

#[test]
fn large_constants_of_nodes_leave_room_for_others() {
    let weight = tensor("", &[4, 20_000], &normal("w", 80_000));
    let mut value = int("value", 0);
    (value.r#type, value.t) = (4, weight.encode_to_vec().into());
    let model = Builder::new(&[1, 4])
        .node("Constant", "", "w", &[value])
        .with(integers("shape", &[1, -1]))
        .with(integers("zero", &[0]))
        .node("MatMul", "x w", "h", &[])
        .node("Shape", "h", "s", &[])
        .node("Gather", "s zero", "n", &[])
        .with(integers("rest", &[-1]))
        .node("Concat", "n rest", "u", &[int("axis", 0)])
        .node("Reshape", "h u", "y", &[]);
    assert_eq!(read(model.bytes()).unwrap().observation_length(), 20_000);
}
