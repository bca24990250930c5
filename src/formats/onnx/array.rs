//! Constants of the graph: arrays of numbers or of integers, in row-major order.

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The extents, outermost first; none for a single number.
    pub shape: Vec<usize>,
    /// As many entries as the product of the extents.
    pub data: Data,
}

/// The entries of a constant. Truth values are integers.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
}

impl Array {
    /// Integers along one axis.
    pub fn list(integers: Vec<i64>) -> Self {
        Array { shape: vec![integers.len()], data: Data::Integers(integers) }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Floats(numbers) => numbers.len(),
            Data::Integers(numbers) => numbers.len(),
        }
    }

    /// The entries as numbers.
    pub fn numbers(&self) -> Vec<f64> {
        match &self.data {
            Data::Floats(numbers) => numbers.clone(),
            Data::Integers(numbers) => numbers.iter().map(|number| *number as f64).collect(),
        }
    }

    /// The entries, if they are integers.
    pub fn integers(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Integers(numbers) => Some(numbers),
            Data::Floats(_) => None,
        }
    }

    /// The number, if it is a single one.
    pub fn single(&self) -> Option<f64> {
        match &self.data {
            Data::Floats(numbers) => <[f64; 1]>::try_from(&numbers[..]).ok().map(|[number]| number),
            Data::Integers(numbers) => <[i64; 1]>::try_from(&numbers[..]).ok().map(|[number]| number as f64),
        }
    }

    /// The entries at these places, in another shape.
    pub fn picked(&self, shape: Vec<usize>, places: &[usize]) -> Self {
        let data = match &self.data {
            Data::Floats(numbers) => Data::Floats(places.iter().map(|place| numbers[*place]).collect()),
            Data::Integers(numbers) => Data::Integers(places.iter().map(|place| numbers[*place]).collect()),
        };
        Array { shape, data }
    }
}

/// The number of entries of a shape, or `None` beyond `most`.
pub fn entries(shape: &[usize], most: usize) -> Option<usize> {
    let entries = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))?;
    (entries <= most).then_some(entries)
}

/// The shape that both broadcast to, by the rules of NumPy.
pub fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let axes = left.len().max(right.len());
    let extent = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(axes).map_or(1, |axis| shape[axis]);
    let joined = |axis: usize| match (extent(left, axis), extent(right, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..axes).map(joined).collect()
}

/// For each entry of `shape`, the place of the entry of `from` that broadcasts to it.
pub fn broadcast_places(from: &[usize], shape: &[usize]) -> Vec<usize> {
    let own = steps(from);
    let missing = shape.len() - from.len();
    let strides: Vec<usize> = (0..shape.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis) if from[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect();
    walk(shape, &strides, 0)
}

/// The distance of neighbours along each axis.
pub fn steps(shape: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    steps
}

/// `start + Σ index · stride` for each index of `shape`, in row-major order. A stride may be
/// negative, written as its two's complement.
pub fn walk(shape: &[usize], strides: &[usize], start: usize) -> Vec<usize> {
    let mut places = vec![start];
    for (extent, stride) in shape.iter().zip(strides) {
        places = places
            .iter()
            .flat_map(|place| (0..*extent).map(move |index| place.wrapping_add(index.wrapping_mul(*stride))))
            .collect();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_those_of_numpy() {
        assert_eq!(broadcast(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(broadcast(&[], &[2, 2]), Some(vec![2, 2]));
        assert_eq!(broadcast(&[3], &[4]), None);
        assert_eq!(broadcast_places(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast_places(&[3], &[2, 3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(walk(&[2, 2], &[1, usize::MAX], 1), [1, 0, 2, 1]);
    }
}
