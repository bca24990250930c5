//! The inverse against products with the matrix itself.

use super::*;

fn lanes_of(row: &[f64]) -> Vec<Lane> {
    let mut lanes = vec![Lane::ZERO; lanes_for(row.len())];
    numbers_mut(&mut lanes)[..row.len()].copy_from_slice(row);
    lanes
}

/// Checks `B (B⁻¹ e_j) = e_j` for the matrix with these rows.
fn assert_inverse(inverse: &Inverse, matrix: &[Vec<f64>]) {
    for j in 0..matrix.len() {
        let vector = &numbers(inverse.vector(j))[..matrix.len()];
        for (i, row) in matrix.iter().enumerate() {
            let product: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
            let expected = if i == j { 1.0 } else { 0.0 };
            assert!((product - expected).abs() < 1e-13, "entry {i}, {j} is {product}");
        }
    }
}

#[test]
fn inverts_with_bounds_and_exchanges_rows() {
    let dense = [vec![0.0, 2.0, 1.0, -1.0, 0.5], vec![1.0, -1.0, 0.5, 0.0, 2.0], vec![3.0, 0.0, 4.0, 1.0, 1.0]];
    // Constraint 1 is −x_2 ≤ 0, constraint 3 is −x_0 ≤ 0.
    let bounds = [Some(3), None, Some(1), None, None];
    let mut matrix = vec![
        dense[0].clone(),
        vec![0.0, 0.0, -1.0, 0.0, 0.0],
        dense[1].clone(),
        vec![-1.0, 0.0, 0.0, 0.0, 0.0],
        dense[2].clone(),
    ];
    let rows: Vec<Lane> = dense.iter().flat_map(|row| lanes_of(row)).collect();
    let mut inverse = Inverse::default();
    assert!(inverse.build(5, &[0, 2, 4], &rows, &bounds));
    assert_inverse(&inverse, &matrix);
    let entering = vec![1.0, 1.0, -2.0, 0.5, 0.25];
    let mut coordinates = Vec::new();
    inverse.coordinates(&lanes_of(&entering), &mut coordinates);
    inverse.replace(3, &coordinates);
    matrix[3] = entering;
    assert_inverse(&inverse, &matrix);
}

#[test]
fn inverts_matrices_that_need_pivots_of_all_sizes() {
    use crate::random::{Domain, normal_vector};
    for size in 1..40 {
        let entries = normal_vector(size as u64, Domain::Network, 0, size * size);
        // Zeros in the place of pivots, so that rows have to be exchanged.
        let entry = |i: usize, j: usize| {
            if (i + 2 * j).is_multiple_of(3) && i != size - 1 - j { 0.0 } else { entries[i * size + j] }
        };
        let matrix: Vec<Vec<f64>> = (0..size).map(|i| (0..size).map(|j| entry(i, j)).collect()).collect();
        let rows: Vec<Lane> = matrix.iter().flat_map(|row| lanes_of(row)).collect();
        let dense: Vec<u32> = (0..size as u32).collect();
        let mut inverse = Inverse::default();
        let dense_matrix = nalgebra::DMatrix::from_fn(size, size, entry);
        let condition = dense_matrix.clone().singular_values();
        if condition.min() < 1e-4 * condition.max() {
            continue;
        }
        assert!(inverse.build(size, &dense, &rows, &vec![None; size]), "size {size}");
        for j in 0..size {
            let vector = nalgebra::DVector::from_column_slice(&numbers(inverse.vector(j))[..size]);
            let mut product = &dense_matrix * vector;
            product[j] -= 1.0;
            assert!(product.norm() < 1e-10, "size {size}: {}", product.norm());
        }
    }
}

#[test]
fn any_number_of_bounds_is_eliminated() {
    use crate::random::{Domain, normal_vector};
    let dimension = 14;
    let numbers = normal_vector(5, Domain::Network, 0, dimension * dimension);
    for held in 0..=dimension {
        // The bounds are the last constraints, of columns that are spread.
        let mut bounds = vec![None; dimension];
        let column = |bound: usize| (5 * bound + 2) % dimension;
        (0..held).for_each(|bound| bounds[column(bound)] = Some((dimension - held + bound) as u32));
        let dense: Vec<u32> = (0..(dimension - held) as u32).collect();
        let mut matrix: Vec<Vec<f64>> = numbers.chunks(dimension).take(dense.len()).map(<[f64]>::to_vec).collect();
        let rows: Vec<Lane> = matrix.iter().flat_map(|row| lanes_of(row)).collect();
        for bound in 0..held {
            let mut row = vec![0.0; dimension];
            row[column(bound)] = -1.0;
            matrix.push(row);
        }
        let mut inverse = Inverse::default();
        assert!(inverse.build(dimension, &dense, &rows, &bounds), "{held} bounds");
        assert_inverse(&inverse, &matrix);
    }
}

#[test]
fn a_singular_matrix_is_refused() {
    let rows: Vec<Lane> = [[1.0, 2.0], [2.0, 4.0]].iter().flat_map(|row| lanes_of(row)).collect();
    assert!(!Inverse::default().build(2, &[0, 1], &rows, &[None, None]));
    // One dense row for two unknowns.
    assert!(!Inverse::default().build(2, &[0], &lanes_of(&[1.0, 2.0]), &[None, None]));
}
