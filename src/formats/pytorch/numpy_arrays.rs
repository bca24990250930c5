//! Arrays of NumPy in a pickle: dictionaries of weights that were saved without PyTorch's tensors.

use std::collections::HashSet;

use super::pickle::{Id, Pickle, Value};
use crate::formats::npy::{ElementType, PixelRange, from_column_major};
use crate::formats::tensor_file::TensorInfo;

/// Maximum nesting of dictionaries.
const DEEPEST: usize = 64;

/// An array of a pickle.
#[derive(Debug)]
pub(super) struct NumpyArray {
    pub info: TensorInfo,
    element_type: ElementType,
    big_endian: bool,
    column_major: bool,
    /// The value that holds its bytes.
    data: Id,
}

/// The arrays of a pickle, with nested keys joined by dots.
pub(super) fn arrays(pickle: &Pickle) -> Vec<NumpyArray> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    // `numpy.save` puts a dictionary into an array without dimensions.
    let root = only_object(pickle, pickle.root).unwrap_or(pickle.root);
    let mut waiting = vec![(root, String::new(), 0)];
    while let Some((id, name, depth)) = waiting.pop() {
        if let Some(array) = array(pickle, id, &name) {
            found.push(array);
        } else if depth < DEEPEST && seen.insert(id) {
            for (key, value) in pickle.entries(id).unwrap_or_default() {
                let inner = if name.is_empty() { key } else { format!("{name}.{key}") };
                waiting.push((value, inner, depth + 1));
            }
        }
    }
    found
}

impl NumpyArray {
    /// The numbers in row-major order; `None` if there are more or fewer than the shape says, or if
    /// they are not floating-point numbers.
    pub fn read(&self, pickle: &Pickle) -> Option<Vec<f64>> {
        if self.element_type.is_integer() || self.element_type == ElementType::Bool {
            return None;
        }
        let bytes = pickle.bytes(self.data)?;
        let size = self.element_type.size();
        let expected = self.info.shape.iter().try_fold(size, |product, extent| product.checked_mul(*extent))?;
        if bytes.len() != expected {
            return None;
        }
        let numbers = self.element_type.decode(&bytes, self.big_endian, PixelRange::Unscaled).ok()?;
        Some(if self.column_major { from_column_major(&numbers, &self.info.shape) } else { numbers })
    }
}

/// The state of an array that `_reconstruct` makes: version, shape, type, order, data.
fn state(pickle: &Pickle, id: Id) -> Option<[Id; 4]> {
    let Value::Call { state: Some(state), .. } = pickle.value(id) else { return None };
    if !pickle.class(id)?.ends_with("multiarray._reconstruct") {
        return None;
    }
    match pickle.sequence(*state)? {
        [_, shape, element_type, order, data] => Some([*shape, *element_type, *order, *data]),
        _ => None,
    }
}

/// The object in an array of one object without dimensions.
fn only_object(pickle: &Pickle, id: Id) -> Option<Id> {
    let [shape, _, _, data] = state(pickle, id)?;
    let empty = pickle.sequence(shape)?.is_empty();
    match pickle.sequence(data)? {
        [only] if empty => Some(*only),
        _ => None,
    }
}

fn array(pickle: &Pickle, id: Id, name: &str) -> Option<NumpyArray> {
    let (shape, element_type, column_major, data) = match state(pickle, id) {
        Some([shape, element_type, order, data]) => {
            (shape, element_type, *pickle.value(order) == Value::Bool(true), data)
        }
        // Protocol 5: `_frombuffer(data, type, shape, order)`.
        None => {
            let Value::Call { arguments, .. } = pickle.value(id) else { return None };
            if !pickle.class(id)?.ends_with("numeric._frombuffer") {
                return None;
            }
            match pickle.sequence(*arguments)? {
                [data, element_type, shape, order] => (*shape, *element_type, pickle.text(*order) == Some("F"), *data),
                _ => return None,
            }
        }
    };
    let (element_type, big_endian) = number_type(pickle, element_type)?;
    let extent = |id: &Id| match pickle.value(*id) {
        Value::Int(extent) => usize::try_from(*extent).ok(),
        _ => None,
    };
    let shape = pickle.sequence(shape)?.iter().map(extent).collect::<Option<Vec<_>>>()?;
    let info = TensorInfo { name: name.to_owned(), shape, element_type: element_type.tensor_name().to_owned() };
    Some(NumpyArray { info, element_type, big_endian, column_major, data })
}

/// The type in `numpy.dtype('f8', False, True)`, with its byte order in the state.
fn number_type(pickle: &Pickle, id: Id) -> Option<(ElementType, bool)> {
    let Value::Call { arguments, state, .. } = pickle.value(id) else { return None };
    if pickle.class(id)? != "numpy.dtype" {
        return None;
    }
    let kind = pickle.text(*pickle.sequence(*arguments)?.first()?)?;
    let order = state.and_then(|state| pickle.text(*pickle.sequence(state)?.get(1)?));
    let kind = kind.trim_start_matches(['<', '>', '|', '=']);
    Some((ElementType::from_kind(kind)?, order == Some(">")))
}
