//! Finds the tensors of the generator, and their order. The files have no order of layers, and
//! often also contain an encoder or a discriminator. A wrong guess would invert another network. So
//! an ambiguous file is refused, and the message lists the candidates as values of the option.
//!
//! Two cases are unambiguous. In the first, the names of the layers differ only in their numbers
//! (`layers.0`, `net.2`, `fc3`, `blocks.1.linear`), the sizes fit in that order, and no layer
//! narrows before a later one widens, as in an autoencoder. In the second, the layers have one
//! parent, and only one order fits because each layer widens. In all other cases, the user picks
//! layers by name.

use super::chains::{break_in, list, narrows_then_widens, parent, pattern, sizes, suggestions, width};
use super::modules::{Kind, Module, modules};
use super::norms_by_name::{NormNames, norm_of, norms_left_over};
use super::tensor_file::TensorInfo;
use crate::error::{Error, Result};

/// The tensors of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerNames {
    /// The module's name: `decoder.0`.
    pub name: String,
    /// The name of the weight, units × inputs.
    pub weight: String,
    pub units: usize,
    pub inputs: usize,
    /// The name of the bias, if there is one.
    pub bias: Option<String>,
    /// BatchNorm layers between this layer and its activation.
    pub norms: Vec<NormNames>,
}

impl LayerNames {
    /// Whether the layer has a bias, its own or that of a folded BatchNorm.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some() || !self.norms.is_empty()
    }

    /// The names of all its tensors.
    pub fn tensors(&self) -> impl Iterator<Item = &String> {
        let norms = self.norms.iter().flat_map(|norm| {
            [Some(&norm.mean), Some(&norm.variance), norm.scale.as_ref(), norm.shift.as_ref()].into_iter().flatten()
        });
        std::iter::once(&self.weight).chain(&self.bias).chain(norms)
    }
}

/// The layers of the generator from the code to the output: those picked by name, or all of the
/// file's if they are unambiguous. A pick is a module's name, or the end of it after a dot.
///
/// # Errors
/// [`Error::Input`] if a pick is unknown, ambiguous or not a linear layer, or if the choice of
/// layers is ambiguous.
pub fn resolve(tensors: &[TensorInfo], picks: Option<&[String]>, source: &str) -> Result<Vec<LayerNames>> {
    let modules = modules(tensors);
    match picks {
        Some(picks) => picked(&modules, picks, source),
        None => automatic(&modules, source),
    }
}

fn picked(modules: &[Module], picks: &[String], source: &str) -> Result<Vec<LayerNames>> {
    let chosen = picks.iter().map(|pick| find(modules, pick, source)).collect::<Result<Vec<_>>>()?;
    let norms_are_listed = chosen.iter().any(|module| matches!(module.kind, Kind::BatchNorm { .. }));
    let mut layers: Vec<LayerNames> = Vec::new();
    for module in &chosen {
        match (&module.kind, layers.last_mut()) {
            (Kind::Linear { .. }, _) => layers.extend(layer(modules, module, !norms_are_listed)),
            (Kind::BatchNorm { features }, Some(layer)) if *features == layer.units => {
                layer.norms.extend(NormNames::of(module));
            }
            (Kind::BatchNorm { .. }, Some(layer)) => {
                return Err(Error::input(
                    source,
                    format!("{} after `{}` with {} units", module.describe(), layer.name, layer.units),
                    "a BatchNorm with one feature per unit of the layer before it",
                    "list it directly after its layer in option `layers`",
                ));
            }
            (Kind::BatchNorm { .. }, None) => {
                return Err(Error::input(
                    source,
                    format!("{} before every layer", module.describe()),
                    "a BatchNorm after the layer that it belongs to",
                    "list it directly after its layer in option `layers`",
                ));
            }
            (Kind::Unsupported(_) | Kind::Unknown, _) => return Err(unsupported(source, &[module], &[])),
        }
    }
    if !norms_are_listed {
        refuse_left_over(modules, &chosen, source)?;
    }
    Ok(layers)
}

/// Finds the module that `pick` names.
fn find<'m, 'a>(modules: &'m [Module<'a>], pick: &str, source: &str) -> Result<&'m Module<'a>> {
    let pick = pick.trim();
    let pick = pick.strip_suffix(".weight").unwrap_or(pick);
    if let Some(module) = modules.iter().find(|module| module.name == pick) {
        return Ok(module);
    }
    let is_end = |module: &&Module| module.name.strip_suffix(pick).is_some_and(|start| start.ends_with('.'));
    let matches: Vec<_> = modules.iter().filter(is_end).collect();
    match matches[..] {
        [module] if !pick.is_empty() => Ok(module),
        [] => Err(Error::input(
            source,
            format!("no layer `{pick}`"),
            format!(
                "one of its layers: {}",
                list(&modules.iter().filter(|m| m.kind != Kind::Unknown).collect::<Vec<_>>())
            ),
            "correct the name in option `layers`",
        )),
        _ => Err(Error::input(
            source,
            format!("several layers whose names end in `{pick}`: {}", list(&matches)),
            "a name that only one of them has",
            "write the full name in option `layers`",
        )),
    }
}

fn automatic(modules: &[Module], source: &str) -> Result<Vec<LayerNames>> {
    let linears: Vec<&Module> = modules.iter().filter(|m| matches!(m.kind, Kind::Linear { .. })).collect();
    let obstacles: Vec<&Module> = modules.iter().filter(|m| matches!(m.kind, Kind::Unsupported(_))).collect();
    if !obstacles.is_empty() {
        return Err(unsupported(source, &obstacles, &linears));
    }
    if linears.is_empty() {
        return Err(Error::input(
            source,
            "no weight matrix",
            "tensors named like `layers.0.weight` or `decoder.0.weight`, [units, inputs]",
            "save the generator's state_dict, torch.save(model.state_dict(), path)",
        ));
    }
    let chain = plain_order(&linears, source)?;
    refuse_left_over(modules, &chain, source)?;
    Ok(chain.iter().filter_map(|module| layer(modules, module, true)).collect())
}

fn refuse_left_over(modules: &[Module], chosen: &[&Module], source: &str) -> Result<()> {
    let left_over = norms_left_over(modules, chosen);
    if left_over.is_empty() {
        return Ok(());
    }
    Err(Error::input(
        source,
        format!("{}, not directly after a linear layer of that size", list(&left_over)),
        "BatchNorm between a linear layer and its activation, where it is folded into the layer",
        "if that is its place, list it after its layer: option `layers: LAYER,BATCHNORM,LAYER`; \
         fold a BatchNorm after an activation into the next layer when you export the weights",
    ))
}

/// The tensors of a linear module; `None` for other modules.
fn layer(modules: &[Module], module: &Module, with_norm: bool) -> Option<LayerNames> {
    let Kind::Linear { units, inputs } = module.kind else { return None };
    let norms = if with_norm { norm_of(modules, module).and_then(NormNames::of).into_iter().collect() } else { vec![] };
    Some(LayerNames {
        name: module.name.to_owned(),
        weight: module.tensor("weight")?.to_owned(),
        units,
        inputs,
        bias: module.tensor("bias").map(str::to_owned),
        norms,
    })
}

/// The linear layers in their only possible order; `linears` are in natural order.
fn plain_order<'m, 'a>(linears: &[&'m Module<'a>], source: &str) -> Result<Vec<&'m Module<'a>>> {
    let first = pattern(linears[0].name);
    if linears.iter().all(|module| pattern(module.name) == first) {
        // `layers.0`, `layers.1` … is unrelu's own format: it always holds the generator, in order.
        let is_own_format = linears.iter().enumerate().all(|(index, m)| m.name == format!("layers.{index}"));
        let found = match break_in(linears) {
            Some((before, after)) => {
                format!("{} followed by {}, whose sizes do not fit", before.describe(), after.describe())
            }
            None if is_own_format || !narrows_then_widens(linears) => return Ok(linears.to_vec()),
            None => format!("layers that narrow and then widen, {}, as an autoencoder does", sizes(linears)),
        };
        return Err(ambiguous(source, found, linears));
    }
    let mut by_width = linears.to_vec();
    by_width.sort_by_key(|module| width(module).1);
    let widens = by_width.iter().all(|module| width(module).0 > width(module).1);
    let one_parent = linears.iter().all(|module| parent(module.name) == parent(linears[0].name));
    if widens && one_parent && break_in(&by_width).is_none() {
        return Ok(by_width);
    }
    Err(ambiguous(source, format!("layers whose names do not determine their order: {}", list(linears)), linears))
}

fn unsupported(source: &str, modules: &[&Module], linears: &[&Module]) -> Error {
    Error::input(
        source,
        list(modules),
        "linear layers, optionally with BatchNorm1d",
        match suggestions(linears) {
            Some(suggestions) => format!(
                "unrelu inverts fully connected generators only; if this is not part of the generator, pick the generator's layers: {suggestions}"
            ),
            None if modules.iter().any(|module| module.name.contains("parametrizations")) => {
                "call torch.nn.utils.parametrize.remove_parametrizations before saving".to_owned()
            }
            None => "unrelu inverts fully connected generators only; merge linear operations into the weight matrices \
                     before saving (remove_weight_norm for weight normalisation)"
                .to_owned(),
        },
    )
}

fn ambiguous(source: &str, found: String, linears: &[&Module]) -> Error {
    let fix = match suggestions(linears) {
        Some(suggestions) => format!("pick them in order from the code to the output: {suggestions}"),
        None => "pick them in order from the code to the output with option `layers`".to_owned(),
    };
    Error::input(source, found, "the layers of one generator, in an unambiguous order", fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(list: &[(&str, &[usize])]) -> Vec<TensorInfo> {
        let info = |(name, shape): &(&str, &[usize])| TensorInfo {
            name: name.to_string(),
            shape: shape.to_vec(),
            element_type: "F32".into(),
        };
        list.iter().map(info).collect()
    }

    fn names(list: &[(&str, &[usize])], picks: Option<&[&str]>) -> Result<Vec<String>> {
        let picks: Option<Vec<String>> = picks.map(|picks| picks.iter().map(|pick| pick.to_string()).collect());
        let layers = resolve(&tensors(list), picks.as_deref(), "a.pth")?;
        let show = |layer: LayerNames| {
            layer.norms.iter().fold(layer.name.clone(), |name, norm| format!("{name}+{}", norm.name))
        };
        Ok(layers.into_iter().map(show).collect())
    }

    fn refusal(list: &[(&str, &[usize])], picks: Option<&[&str]>) -> String {
        names(list, picks).unwrap_err().to_string()
    }

    const VAE: &[(&str, &[usize])] = &[
        ("fc1.weight", &[400, 784]),
        ("fc21.weight", &[20, 400]),
        ("fc22.weight", &[20, 400]),
        ("fc3.weight", &[400, 20]),
        ("fc4.weight", &[784, 400]),
    ];

    const AUTOENCODER: &[(&str, &[usize])] = &[
        ("encoder.0.weight", &[400, 784]),
        ("encoder.2.weight", &[20, 400]),
        ("decoder.0.weight", &[400, 20]),
        ("decoder.2.weight", &[784, 400]),
    ];

    #[test]
    fn sequential_numbers_count() {
        let list: &[(&str, &[usize])] = &[("10.weight", &[9, 7]), ("2.weight", &[7, 5]), ("0.weight", &[5, 3])];
        assert_eq!(names(list, None).unwrap(), ["0", "2", "10"]);
        assert_eq!(names(&[("weight", &[5, 3]), ("bias", &[5])], None).unwrap(), [""]);
    }

    #[test]
    fn picks_by_whole_name_or_its_end() {
        assert_eq!(names(VAE, Some(&["fc3", "fc4"])).unwrap(), ["fc3", "fc4"]);
        assert_eq!(names(AUTOENCODER, Some(&["decoder.0.weight", "decoder.2"])).unwrap(), ["decoder.0", "decoder.2"]);
        let nested: &[(&str, &[usize])] = &[("state_dict.fc3.weight", &[4, 2]), ("ema.fc3.weight", &[4, 2])];
        assert!(refusal(nested, Some(&["fc3"])).contains("`ema.fc3`"));
        assert_eq!(names(nested, Some(&["state_dict.fc3"])).unwrap(), ["state_dict.fc3"]);
    }

    #[test]
    fn an_unknown_pick_lists_what_there_is() {
        let message = refusal(VAE, Some(&["fc9"]));
        assert!(message.contains("`fc9`") && message.contains("`fc21` (20 × 400)"), "{message}");
        assert!(refusal(VAE, Some(&[""])).contains("no layer"));
    }

    #[test]
    fn mixtures_are_refused_with_what_to_type() {
        assert!(refusal(VAE, None).contains("`layers: fc3,fc4` (20 → 400 → 784)"), "{}", refusal(VAE, None));
        // The sizes fit in natural order, with the decoder first, but nobody trained that network.
        assert!(refusal(AUTOENCODER, None).contains("`layers: decoder.0,decoder.2` (20 → 400 → 784)"));
        let one_family: &[(&str, &[usize])] =
            &[("fc1.weight", &[4, 9]), ("fc2.weight", &[2, 4]), ("fc3.weight", &[4, 2]), ("fc4.weight", &[9, 4])];
        let message = refusal(one_family, None);
        assert!(
            message.contains("9 → 4 → 2 → 4 → 9") && message.contains("`layers: fc3,fc4` (2 → 4 → 9)"),
            "{message}"
        );
        let gan: &[(&str, &[usize])] = &[("G.0.weight", &[9, 2]), ("D.0.weight", &[1, 9])];
        assert!(refusal(gan, None).contains("`layers: G.0` (2 → 9)"));
    }

    #[test]
    fn distinct_names_are_ordered_where_only_one_order_widens() {
        let list: &[(&str, &[usize])] =
            &[("hidden.weight", &[5, 3]), ("input.weight", &[3, 2]), ("out.weight", &[9, 5])];
        assert_eq!(names(list, None).unwrap(), ["input", "hidden", "out"]);
    }

    #[test]
    fn own_format_may_narrow() {
        let list: &[(&str, &[usize])] =
            &[("layers.0.weight", &[5, 3]), ("layers.1.weight", &[2, 5]), ("layers.2.weight", &[9, 2])];
        assert_eq!(names(list, None).unwrap().len(), 3);
        let broken: &[(&str, &[usize])] = &[("layers.0.weight", &[5, 3]), ("layers.1.weight", &[9, 4])];
        assert!(refusal(broken, None).contains("do not fit"));
    }

    #[test]
    fn convolutions_are_refused_by_name() {
        let list: &[(&str, &[usize])] = &[("conv1.weight", &[8, 4, 3, 3]), ("fc.weight", &[4, 2])];
        let message = refusal(list, None);
        assert!(message.contains("`conv1` (a convolution") && message.contains("`layers: fc` (2 → 4)"), "{message}");
        assert!(refusal(list, Some(&["conv1", "fc"])).contains("convolution"));
        assert_eq!(names(list, Some(&["fc"])).unwrap(), ["fc"]);
    }

    #[test]
    fn batch_norms_follow_their_layer() {
        let sequential: &[(&str, &[usize])] = &[
            ("net.0.weight", &[5, 3]),
            ("net.1.running_mean", &[5]),
            ("net.1.running_var", &[5]),
            ("net.3.weight", &[9, 5]),
        ];
        assert_eq!(names(sequential, None).unwrap(), ["net.0+net.1", "net.3"]);
        assert_eq!(names(sequential, Some(&["net.0", "net.3"])).unwrap(), ["net.0+net.1", "net.3"]);
        let named: &[(&str, &[usize])] =
            &[("fc1.weight", &[5, 3]), ("bn1.running_mean", &[5]), ("bn1.running_var", &[5]), ("fc2.weight", &[9, 5])];
        assert_eq!(names(named, None).unwrap(), ["fc1+bn1", "fc2"]);
    }

    #[test]
    fn a_batch_norm_elsewhere_is_refused_unless_it_is_listed() {
        let behind_activation: &[(&str, &[usize])] = &[
            ("net.0.weight", &[5, 3]),
            ("net.2.running_mean", &[5]),
            ("net.2.running_var", &[5]),
            ("net.3.weight", &[9, 5]),
        ];
        assert!(refusal(behind_activation, None).contains("`net.2` (BatchNorm of 5)"));
        assert!(refusal(behind_activation, Some(&["net.0", "net.3"])).contains("`net.2`"));
        assert_eq!(names(behind_activation, Some(&["net.0", "net.2", "net.3"])).unwrap(), ["net.0+net.2", "net.3"]);
        assert!(refusal(behind_activation, Some(&["net.2", "net.3"])).contains("before every layer"));
        assert!(refusal(behind_activation, Some(&["net.0", "net.3", "net.2"])).contains("9 units"));
    }
}
