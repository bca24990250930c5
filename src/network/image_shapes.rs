//! The images between the layers: as which image each vector is written and read.

use super::map::ImageShape;
use super::{Map, Network};

impl Network {
    /// The shape of the code, of the vectors between the layers and of the output, where a layer
    /// writes or reads an image of more than one pixel there.
    ///
    /// # Errors
    /// The number of a layer below a vector that the layer above reads in another shape.
    pub(crate) fn image_shapes(&self) -> Result<Vec<Option<ImageShape>>, usize> {
        let mut shapes: Vec<Option<ImageShape>> = vec![None; self.depth() + 1];
        let many = |shape: &ImageShape| shape.rows * shape.columns > 1;
        for (index, layer) in self.layers().iter().enumerate() {
            let images = layer.map().images();
            if let Some((read, _)) = images {
                let read = Some(read).filter(many);
                match shapes[index] {
                    None if read.is_some() => self.read_as(&mut shapes, index, read)?,
                    written if written != read => return Err(index),
                    _ => {}
                }
            }
            shapes[index + 1] = match layer.map() {
                // Its output has the shape of its input.
                Map::Diagonal(_) => shapes[index],
                _ => images.map(|(_, written)| written).filter(many),
            };
        }
        Ok(shapes)
    }

    /// Lets layer `index` read an image that was a plain vector so far: layers of a scale below
    /// pass it on, and a matrix can write any.
    fn read_as(&self, shapes: &mut [Option<ImageShape>], index: usize, read: Option<ImageShape>) -> Result<(), usize> {
        let mut at = index;
        loop {
            shapes[at] = read;
            match at.checked_sub(1).map(|below| self.layers()[below].map()) {
                None | Some(Map::Dense(_)) => return Ok(()),
                Some(Map::Diagonal(_)) => at -= 1,
                Some(_) => return Err(index),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::network::map::{Resample, resample::AxisWeights};
    use crate::network::{Activation, Layer};

    fn twice(channels: usize, rows: usize, columns: usize) -> Map {
        let axes = [rows, columns].map(|length| AxisWeights::nearest(length, 2 * length, None));
        Map::Resample(Resample::new(channels, axes).unwrap())
    }

    fn network(maps: Vec<Map>) -> Network {
        let layer = |map: Map| {
            let bias = DVector::zeros(map.outputs());
            Layer::new(map, bias, Activation::Relu)
        };
        Network::new(maps.into_iter().map(layer).collect(), "a test").unwrap()
    }

    #[test]
    fn an_image_is_read_as_it_is_written() {
        let scale = |length: usize| Map::Diagonal(vec![2.0; length]);
        let dense = |outputs: usize, inputs: usize| Map::Dense(DMatrix::zeros(outputs, inputs));
        let shape = |channels, rows, columns| Some(ImageShape { channels, rows, columns });
        let of = |maps: Vec<Map>| network(maps).image_shapes();
        assert_eq!(of(vec![dense(12, 3), scale(12)]), Ok(vec![None; 3]));
        let (small, large) = (shape(3, 2, 2), shape(3, 4, 4));
        let maps = vec![dense(12, 3), scale(12), twice(3, 2, 2), scale(48), dense(5, 48)];
        assert_eq!(of(maps), Ok(vec![None, small, small, large, large, None]));
        assert_eq!(of(vec![scale(12), twice(3, 2, 2)]), Ok(vec![small, small, large]));
        // One pixel is a plain vector.
        assert_eq!(of(vec![twice(5, 1, 1), twice(5, 2, 2)]).unwrap()[0], None);
        for other in [twice(12, 2, 2), twice(3, 2, 8), twice(48, 1, 1)] {
            assert_eq!(of(vec![twice(3, 2, 2), other]), Err(1));
        }
        let one = Map::Resample(Resample::new(12, [1, 1].map(|_| AxisWeights::nearest(2, 1, None))).unwrap());
        assert_eq!(of(vec![one, scale(12), twice(3, 2, 2)]), Err(2));
    }
}
