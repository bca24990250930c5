//! How an array of any shape is divided into rows: one observation, code, mask or measurement each.
//!
//! The first dimension counts the rows, and the others are flattened in row-major order. An array
//! whose entries together are as many as one row needs is a single row.

/// The rows of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    /// Number of rows.
    pub count: usize,
    /// Number of entries per row.
    pub width: usize,
    /// Number of leading dimensions that count rows: 1, or 0 for a single row.
    pub leading: usize,
}

impl Rows {
    /// The rows where no width is required. One dimension is one row.
    pub fn of(shape: &[usize]) -> Rows {
        match shape {
            [count, rest @ ..] if !rest.is_empty() => Rows { count: *count, width: rest.iter().product(), leading: 1 },
            _ => Rows { count: 1, width: shape.iter().product(), leading: 0 },
        }
    }

    /// The rows of `width` entries; `None` if the shape has no such rows.
    pub fn fitting(shape: &[usize], width: usize) -> Option<Rows> {
        let usual = Rows::of(shape);
        let total = usual.count * usual.width;
        if usual.width == width {
            Some(usual)
        } else if total == width {
            Some(Rows { count: 1, width, leading: 0 })
        } else if shape.len() == 1 && width == 1 {
            Some(Rows { count: total, width, leading: 1 })
        } else {
            None
        }
    }

    /// The order in which a column-major array stores the entries of a row: the entry with index
    /// `places[k]` in row-major order is the `k`-th one.
    pub fn column_major(self, shape: &[usize]) -> Vec<usize> {
        let rest = &shape[self.leading.min(shape.len())..];
        let mut index = vec![0; rest.len()];
        let mut places = Vec::with_capacity(self.width);
        for _ in 0..self.width {
            places.push(index.iter().zip(rest).fold(0, |place, (index, extent)| place * extent + index));
            for (index, extent) in index.iter_mut().zip(rest) {
                *index += 1;
                if *index < *extent {
                    break;
                }
                *index = 0;
            }
        }
        places
    }
}

/// Puts the entries of a column-major array in row-major order.
pub fn from_column_major(numbers: &[f64], shape: &[usize]) -> Vec<f64> {
    let places = Rows { count: 1, width: numbers.len(), leading: 0 }.column_major(shape);
    let mut sorted = vec![0.0; numbers.len()];
    for (number, place) in numbers.iter().zip(places) {
        if let Some(entry) = sorted.get_mut(place) {
            *entry = *number;
        }
    }
    sorted
}

/// A shape as Python writes it.
pub(super) fn show_shape<T: ToString>(shape: &[T]) -> String {
    let numbers = shape.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 { format!("({numbers},)") } else { format!("({numbers})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_divided_where_they_fit() {
        let fit = |shape: &[usize], width| Rows::fitting(shape, width).map(|rows| rows.count);
        assert_eq!(fit(&[5, 64], 64), Some(5));
        assert_eq!(fit(&[5, 8, 8], 64), Some(5));
        assert_eq!(fit(&[5, 1, 8, 8], 64), Some(5));
        assert_eq!(fit(&[8, 8], 64), Some(1));
        assert_eq!(fit(&[8, 8], 8), Some(8));
        assert_eq!(fit(&[64], 64), Some(1));
        assert_eq!(fit(&[64], 1), Some(64));
        assert_eq!(fit(&[1, 8, 8], 64), Some(1));
        assert_eq!(fit(&[64, 5], 64), None);
        assert_eq!(fit(&[4, 16], 32), None);
    }

    #[test]
    fn column_major_places_are_a_transposition() {
        // A row of shape (2, 3), stored by columns: entries 00 10 01 11 02 12.
        let shape = [7, 2, 3];
        assert_eq!(Rows::of(&shape).column_major(&shape), [0, 3, 1, 4, 2, 5]);
        let single = Rows::fitting(&[2, 3], 6).unwrap();
        assert_eq!(single.column_major(&[2, 3]), [0, 3, 1, 4, 2, 5]);
    }
}
