//! The maps of a list of operations.

use nalgebra::DMatrix;

use super::assembly::{Assembly, MOST_ENTRIES, is_usable};
use super::document::{BatchNormFields, ConvolutionFields, Numbers, PoolFields, UpsampleFields, UpsampleMode};
use crate::error::Result;
use crate::network::Map;
use crate::network::map::convolution::Axis;
use crate::network::map::resample::{AxisWeights, Pooling};
use crate::network::map::{Convolution, ImageShape, Resample};

/// Most pixels along one axis of a resampled image.
const MOST_ALONG_AN_AXIS: usize = 1 << 16;
/// Most weights of an average pooling, along both axes.
const MOST_WEIGHTS: usize = 1 << 24;

/// Which number in the shape of a convolution's weight is wrong for the input, and what it has to
/// be; `None` if the shape fits.
fn wrong_weight(shape: &[usize], input: ImageShape, groups: usize, transposed: bool) -> Option<String> {
    let [first, second, ..] = shape[..] else { return None };
    let channels = input.channels;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Some(format!("groups that divide the {channels} channels of the input"));
    }
    if transposed && first != channels {
        return Some(format!(
            "{channels}, the channels of the input, as first number of the weight's shape, not {first}"
        ));
    }
    if !transposed && second != channels / groups {
        let of_group = if groups == 1 { String::new() } else { format!(" by {groups} groups") };
        let wanted = channels / groups;
        return Some(format!(
            "{wanted}, the channels of the input{of_group}, as second number of the weight's shape, not {second}"
        ));
    }
    if !transposed && !first.is_multiple_of(groups) {
        return Some(format!("a multiple of {groups}, the groups, as first number of the weight's shape, not {first}"));
    }
    let empty = shape.iter().position(|extent| *extent == 0)?;
    let place = ["first", "second", "third", "fourth"].get(empty)?;
    Some(format!("at least 1 as {place} number of the weight's shape"))
}

impl Assembly<'_> {
    pub(super) fn linear(&mut self, weight: &str, bias: Option<&str>) -> Result<()> {
        let tensor = self.tensor(weight)?;
        let [units, inputs] = tensor.shape[..] else {
            return Err(self.refused(format!("tensor `{weight}` of shape {:?}", tensor.shape), "two axes, (out, in)"));
        };
        if self.shape != [inputs] {
            let found = format!("an input of shape {:?} and tensor `{weight}` of shape {:?}", self.shape, tensor.shape);
            let expected = match self.shape[..] {
                [entries] => format!("{entries}, the length of the input, as second number of its shape, not {inputs}"),
                _ => format!("an input of one axis, as `reshape` makes it, with {inputs} entries, its second number"),
            };
            return Err(self.refused(found, expected));
        }
        let bias = self.bias(bias, units, 1)?;
        self.push_dense(DMatrix::from_row_slice(units, inputs, &tensor.numbers), bias);
        Ok(())
    }

    pub(super) fn convolution(&mut self, fields: &ConvolutionFields, transposed: bool) -> Result<()> {
        let input = self.image()?;
        let tensor = self.tensor(&fields.weight)?;
        let [first, second, rows, columns] = tensor.shape[..] else {
            let expected = "four axes: channels, channels per group, rows, columns";
            return Err(self.refused(format!("tensor `{}` of shape {:?}", fields.weight, tensor.shape), expected));
        };
        let (groups, stride) = (fields.groups, fields.stride.numbers());
        let (padding, dilation) = (fields.padding.numbers(), fields.dilation.numbers());
        let settings = [stride, padding, dilation].concat();
        if let Some(setting) = settings.iter().find(|setting| **setting > MOST_ENTRIES) {
            return Err(self.refused(format!("a setting of {setting}"), format!("at most {MOST_ENTRIES}")));
        }
        let axis = |kernel: usize, place: usize| Axis {
            kernel,
            stride: stride[place],
            padding: padding[place],
            dilation: dilation[place],
        };
        let axes = [axis(rows, 0), axis(columns, 1)];
        let extra = fields.output_padding.map_or([0, 0], super::document::Pair::numbers);
        let is_within = (0..2).all(|place| extra[place] < stride[place].max(dilation[place]).max(1));
        let convolution = if transposed {
            let fits = first == input.channels && is_within;
            fits.then(|| {
                Convolution::transposed(tensor.numbers, input, second.checked_mul(groups)?, axes, extra, groups)
            })
        } else {
            let fits = second.checked_mul(groups) == Some(input.channels) && fields.output_padding.is_none();
            fits.then(|| Convolution::new(tensor.numbers, input, first, axes, groups))
        };
        let Some(convolution) = convolution.flatten() else {
            let found = format!(
                "an input of shape {:?}, tensor `{}` of shape {:?}, stride {stride:?}, padding {padding:?}, output \
                 padding {extra:?}, dilation {dilation:?}, groups {groups}",
                self.shape, fields.weight, tensor.shape
            );
            let expected = wrong_weight(&tensor.shape, input, groups, transposed).unwrap_or_else(|| {
                let layout = if transposed { "(in, out / groups, kh, kw)" } else { "(out, in / groups, kh, kw)" };
                format!("a weight {layout} and numbers that torch accepts")
            });
            return Err(self.refused(found, expected));
        };
        let shape = self.image_shape(convolution.output())?;
        let bias = self.bias(fields.bias.as_deref(), shape[0], shape[1] * shape[2])?;
        self.push(Map::Convolution(convolution), bias, shape);
        Ok(())
    }

    pub(super) fn batch_norm(&mut self, fields: &BatchNormFields) -> Result<()> {
        let (channels, _) = self.channels();
        let what = "one per channel";
        let of = |name: &Option<String>, default: f64| match name {
            Some(name) => self.vector(name, channels, what),
            None => Ok(vec![default; channels]),
        };
        let (mean, variance) =
            (self.vector(&fields.running_mean, channels, what)?, self.vector(&fields.running_var, channels, what)?);
        let (weight, bias) = (of(&fields.weight, 1.0)?, of(&fields.bias, 0.0)?);
        let factors: Vec<f64> = weight.iter().zip(&variance).map(|(w, v)| w / (v + fields.eps).sqrt()).collect();
        let shifts: Vec<f64> = bias.iter().zip(&mean).zip(&factors).map(|((b, mean), f)| b - mean * f).collect();
        if let Some(channel) = factors.iter().zip(&shifts).position(|(f, s)| !f.is_finite() || !s.is_finite()) {
            let found = format!("variance {} and eps {} in channel {channel}", variance[channel], fields.eps);
            return Err(self.refused(found, "a positive sum of both"));
        }
        self.scale_channels(&factors, &shifts);
        Ok(())
    }

    pub(super) fn scale_by(&mut self, weight: Option<&Numbers>, bias: Option<&Numbers>) -> Result<()> {
        let (factors, shifts) = (self.per_channel(weight, 1.0)?, self.per_channel(bias, 0.0)?);
        self.scale_channels(&factors, &shifts);
        Ok(())
    }

    /// One number per channel, from one tensor of that many entries, of one, or a number.
    fn per_channel(&self, numbers: Option<&Numbers>, default: f64) -> Result<Vec<f64>> {
        let (channels, _) = self.channels();
        match numbers {
            None => Ok(vec![default; channels]),
            Some(Numbers::One(number)) => Ok(vec![*number; channels]),
            Some(Numbers::Tensor(name)) => {
                let tensor = self.tensor(name)?;
                match tensor.numbers[..] {
                    [number] => Ok(vec![number; channels]),
                    _ => self.vector(name, channels, "one per channel, or one"),
                }
            }
        }
    }

    fn scale_channels(&mut self, factors: &[f64], shifts: &[f64]) {
        let (_, places) = self.channels();
        let spread = |numbers: &[f64]| -> Vec<f64> {
            numbers.iter().flat_map(|number| std::iter::repeat_n(*number, places)).collect()
        };
        self.scale(&spread(factors), &spread(shifts));
    }

    pub(super) fn upsample(&mut self, fields: &UpsampleFields) -> Result<()> {
        let (input, size) = (self.image()?, fields.size.numbers());
        let factors = fields.scale_factor.map(|factors| factors.numbers());
        if factors.is_some_and(|factors| factors.iter().any(|factor| !(*factor > 0.0 && factor.is_finite()))) {
            return Err(self.refused(format!("scale_factor {factors:?}"), "positive numbers"));
        }
        if fields.align_corners && fields.mode == UpsampleMode::Nearest {
            return Err(self.refused("align_corners with mode nearest", "mode bilinear"));
        }
        self.checked_image(input.channels, size)?;
        self.checked_axes(size.to_vec(), "a size")?;
        let axis = |place: usize, inputs: usize| {
            // PyTorch has shorter ways for these sizes, which do not look at the factor.
            let is_special = size[place] == inputs || fields.mode == UpsampleMode::Nearest && size[place] == 2 * inputs;
            let factor = factors.map(|factors| factors[place]).filter(|_| !is_special);
            match fields.mode {
                UpsampleMode::Nearest => AxisWeights::nearest(inputs, size[place], factor),
                UpsampleMode::Bilinear => AxisWeights::linear(inputs, size[place], factor, fields.align_corners),
            }
        };
        self.resample(input.channels, Some([axis(0, input.rows), axis(1, input.columns)]))
    }

    pub(super) fn pool(&mut self, fields: &PoolFields) -> Result<()> {
        let input = self.image()?;
        let kernel = fields.kernel_size.numbers();
        let (stride, padding) =
            (fields.stride.map_or(kernel, super::document::Pair::numbers), fields.padding.numbers());
        self.checked_axes([kernel, stride, padding].concat(), "a setting")?;
        let means: usize = (0..2).map(|place| kernel[place].saturating_mul([input.rows, input.columns][place])).sum();
        if means > MOST_WEIGHTS {
            return Err(self.refused(format!("a kernel of {kernel:?}"), format!("at most {MOST_WEIGHTS} weights")));
        }
        let axis = |place: usize, inputs: usize| {
            let pooling = Pooling {
                kernel: kernel[place],
                stride: stride[place],
                padding: padding[place],
                ceil_mode: fields.ceil_mode,
                counts_padding: fields.count_include_pad,
            };
            match fields.divisor_override {
                None => AxisWeights::pooled(inputs, pooling),
                Some(_) => AxisWeights::sums(inputs, pooling),
            }
        };
        let axes = axis(0, input.rows).zip(axis(1, input.columns)).map(|(rows, columns)| [rows, columns]);
        self.resample(input.channels, axes)?;
        match fields.divisor_override {
            None => Ok(()),
            Some(divisor) if divisor != 0.0 && divisor.is_finite() => {
                let (channels, _) = self.channels();
                self.scale_channels(&vec![1.0 / divisor; channels], &vec![0.0; channels]);
                Ok(())
            }
            Some(divisor) => Err(self.refused(format!("divisor_override {divisor}"), "a number other than 0")),
        }
    }

    pub(super) fn adaptive_pool(&mut self, size: [usize; 2]) -> Result<()> {
        let input = self.image()?;
        self.checked_image(input.channels, size)?;
        self.checked_axes(size.to_vec(), "a size")?;
        let axes = [AxisWeights::parts(input.rows, size[0]), AxisWeights::parts(input.columns, size[1])];
        self.resample(input.channels, Some(axes))
    }

    /// `R a Cᵀ` for each channel `a`, with the matrices `R` and `C`.
    pub(super) fn resample_by(&mut self, rows: &str, columns: &str) -> Result<()> {
        let input = self.image()?;
        let mut axes = Vec::new();
        for (name, inputs) in [(rows, input.rows), (columns, input.columns)] {
            let tensor = self.tensor(name)?;
            match tensor.shape[..] {
                [outputs, given] if given == inputs && outputs > 0 => {
                    axes.push(AxisWeights::of(&DMatrix::from_row_slice(outputs, inputs, &tensor.numbers)));
                }
                _ => {
                    let found = format!("tensor `{name}` of shape {:?}", tensor.shape);
                    return Err(self.refused(found, format!("(out, {inputs}), for an input of shape {:?}", self.shape)));
                }
            }
        }
        self.resample(input.channels, axes.try_into().ok())
    }

    fn resample(&mut self, channels: usize, axes: Option<[AxisWeights; 2]>) -> Result<()> {
        let Some(resample) = axes.and_then(|axes| Resample::new(channels, axes)) else {
            return Err(self.refused(
                format!("an input of shape {:?}", self.shape),
                "an image at least as large as the kernel, a stride of 1 or more, and a padding of at most half the \
                 kernel",
            ));
        };
        let shape = self.image_shape(resample.output())?;
        let bias = vec![0.0; resample.output().length()];
        self.push(Map::Resample(resample), bias, shape);
        Ok(())
    }

    /// The current shape as that of an image.
    fn image(&self) -> Result<ImageShape> {
        match self.shape[..] {
            [channels, rows, columns] => Ok(ImageShape { channels, rows, columns }),
            _ => Err(self.refused(
                format!("an input of shape {:?}", self.shape),
                "[channels, rows, columns]; `reshape` changes the shape",
            )),
        }
    }

    /// Refuses absurd numbers along an axis.
    fn checked_axes(&self, numbers: Vec<usize>, what: &str) -> Result<()> {
        match numbers.iter().find(|number| **number > MOST_ALONG_AN_AXIS) {
            Some(number) => Err(self.refused(format!("{what} of {number}"), format!("at most {MOST_ALONG_AN_AXIS}"))),
            None => Ok(()),
        }
    }

    /// The shape of an output image, if it is not absurdly large.
    fn image_shape(&self, output: ImageShape) -> Result<Vec<usize>> {
        self.checked_image(output.channels, [output.rows, output.columns])
    }

    fn checked_image(&self, channels: usize, size: [usize; 2]) -> Result<Vec<usize>> {
        let shape = vec![channels, size[0], size[1]];
        if is_usable(&shape) {
            return Ok(shape);
        }
        Err(self.refused(format!("an output of shape {shape:?}"), format!("1 to {MOST_ENTRIES} entries")))
    }

    /// A bias with an entry per channel, repeated for its places.
    fn bias(&self, name: Option<&str>, channels: usize, places: usize) -> Result<Vec<f64>> {
        let Some(name) = name else { return Ok(vec![0.0; channels * places]) };
        let numbers = self.vector(name, channels, "one per output channel")?;
        Ok(numbers.iter().flat_map(|number| std::iter::repeat_n(*number, places)).collect())
    }
}
