//! A value that depends on the code: which vector of the chain it shows, and how.

use std::rc::Rc;

/// For each entry, the entries of the chain's vector that it sums, with their weights.
pub type Rows = Vec<Vec<(u32, f64)>>;

/// How the entries of a value follow from those of the chain's vector.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// The same entries in the same order.
    InOrder,
    /// For each entry, the place of an entry.
    Moved(Rc<Vec<u32>>),
    /// Weighted sums of entries.
    Sums(Rc<Rows>),
}

/// A value that depends on the code.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The vector of the chain.
    pub point: usize,
    /// The extents; the batch axis has 1.
    pub shape: Vec<usize>,
    /// The place of the batch axis.
    pub batch: usize,
    /// How the entries follow from the vector.
    pub form: Form,
    /// A function of each entry, as its values at some places.
    pub samples: Option<Rc<Samples>>,
}

/// A function of one number, by its values at [`places`].
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    pub values: Vec<f64>,
    /// Constants that it was made with.
    pub constants: Vec<f64>,
}

impl Signal {
    /// The current vector itself.
    pub fn of(point: usize, shape: Vec<usize>) -> Self {
        Signal { point, shape, batch: 0, form: Form::InOrder, samples: None }
    }

    /// The extents without the batch axis.
    pub fn entry_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape.remove(self.batch);
        shape
    }

    /// The number of entries of one element of the batch.
    pub fn entries(&self) -> usize {
        self.shape.iter().product()
    }

    /// The entries of a vector of the chain of each entry.
    pub fn rows(&self) -> Rows {
        match &self.form {
            Form::InOrder => (0..self.entries() as u32).map(|place| vec![(place, 1.0)]).collect(),
            Form::Moved(order) => order.iter().map(|place| vec![(*place, 1.0)]).collect(),
            Form::Sums(rows) => rows.to_vec(),
        }
    }

    /// The entries at these places, in another shape.
    pub fn moved(&self, shape: Vec<usize>, batch: usize, places: &[usize]) -> Self {
        let is_in_order = places.len() == self.entries() && places.iter().enumerate().all(|(a, b)| a == *b);
        let form = match &self.form {
            form if is_in_order => form.clone(),
            Form::InOrder => moved_form(places.iter().map(|place| *place as u32).collect(), self.entries()),
            Form::Moved(order) => moved_form(places.iter().map(|place| order[*place]).collect(), usize::MAX),
            Form::Sums(rows) => Form::Sums(Rc::new(places.iter().map(|place| rows[*place].clone()).collect())),
        };
        Signal { shape, batch, form, ..self.clone() }
    }
}

fn moved_form(order: Vec<u32>, entries: usize) -> Form {
    let is_in_order = order.iter().enumerate().all(|(a, b)| a == *b as usize);
    if is_in_order && order.len() == entries { Form::InOrder } else { Form::Moved(Rc::new(order)) }
}

/// The inverse of an order, if it has every place once.
pub fn inverse(order: &[u32], entries: usize) -> Option<Vec<u32>> {
    if order.len() != entries {
        return None;
    }
    let mut inverse = vec![u32::MAX; entries];
    for (place, from) in order.iter().enumerate() {
        let found = inverse.get_mut(*from as usize)?;
        if *found != u32::MAX {
            return None;
        }
        *found = place as u32;
    }
    Some(inverse)
}

/// The places at which functions are compared: close together near 0, and far away. Halved again
/// and again towards 0, so that a threshold near 0 other than 0 itself lies between two of them.
pub fn places() -> Vec<f64> {
    let near = (-40..=40).map(|step| f64::from(step) * 0.25);
    let far = [12.0, 16.0, 19.5, 20.5, 25.0, 33.0, 50.0, 80.0, 120.0];
    let halved = || (3..=18).map(|power| 0.5_f64.powi(power));
    near.chain(far).chain(far.map(|x| -x)).chain(halved()).chain(halved().map(|x| -x)).collect()
}
