//! Names of Flax and Keras: `params/Dense_0/kernel`, `dense/kernel:0`. A kernel is inputs × units,
//! the transpose of a weight.

use super::stated::Stated;
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::Result;

/// A file whose tensors have the names and the order that the other formats use.
struct Renamed {
    file: Box<dyn TensorFile>,
    format: String,
    tensors: Vec<TensorInfo>,
    /// For each tensor: its name in the file, and the extents there if it is transposed.
    originals: Vec<(String, Option<[usize; 2]>)>,
}

/// Renames the tensors of a file, if it has such names and they stay different.
pub fn translated(file: Box<dyn TensorFile>) -> Box<dyn TensorFile> {
    let has_such_name = |tensor: &TensorInfo| {
        let name = plain(&tensor.name);
        tensor.name.contains('/') || name == "kernel" || name.ends_with(".kernel")
    };
    if !file.tensors().iter().any(has_such_name) {
        return file;
    }
    let mut tensors: Vec<_> = file.tensors().iter().map(renamed).collect();
    tensors.sort_by(|(left, _), (right, _)| natural_order(&left.name, &right.name));
    if tensors.windows(2).any(|pair| pair[0].0.name == pair[1].0.name) {
        return file;
    }
    let format = format!("{}, names of Flax or Keras", file.format());
    let (tensors, originals) = tensors.into_iter().unzip();
    Box::new(Renamed { file, format, tensors, originals })
}

/// The name with dots, without the `:0` of TensorFlow.
fn plain(name: &str) -> String {
    name.strip_suffix(":0").unwrap_or(name).replace('/', ".")
}

fn renamed(tensor: &TensorInfo) -> (TensorInfo, (String, Option<[usize; 2]>)) {
    let mut info = TensorInfo { name: plain(&tensor.name), ..tensor.clone() };
    let mut transposed = None;
    let parent = info.name.strip_suffix("kernel").filter(|parent| parent.is_empty() || parent.ends_with('.'));
    if let Some(parent) = parent {
        info.name = format!("{parent}weight");
        if let [inputs, units] = tensor.shape[..] {
            info.shape = vec![units, inputs];
            transposed = Some([inputs, units]);
        }
    }
    (info, (tensor.name.clone(), transposed))
}

impl TensorFile for Renamed {
    fn source(&self) -> &str {
        self.file.source()
    }

    fn format(&self) -> &str {
        &self.format
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.file.metadata(key)
    }

    fn module_number(&self, module: &str, attribute: &str) -> Option<f64> {
        self.file.module_number(module, attribute)
    }

    fn stated_activations(&self, layers: &[&str]) -> Stated {
        self.file.stated_activations(layers)
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let Some(index) = self.tensors.iter().position(|tensor| tensor.name == name) else {
            return self.file.read(name);
        };
        let (original, transposed) = &self.originals[index];
        let numbers = self.file.read(original)?;
        let Some([inputs, units]) = transposed.filter(|[inputs, units]| inputs * units == numbers.len()) else {
            return Ok(numbers);
        };
        Ok((0..units)
            .flat_map(|unit| (0..inputs).map(move |input| input * units + unit))
            .map(|at| numbers[at])
            .collect())
    }
}
