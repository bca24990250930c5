//! Activations that a file states by its modules: whole models name the classes of their modules.
//! They stand in for options that are not given, and contradict options that are wrong.

use super::names::STRUCTURE;
use crate::error::{Error, Result};
use crate::network::Activation;

/// An activation module of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct StatedActivation {
    /// The name of the module.
    pub module: String,
    /// The activation, or the name of the class of one that is not supported.
    pub activation: Result<Activation, String>,
}

/// What is known about the activation of a layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// The file does not say it; the modules of unknown classes that stand there.
    Unknown(Vec<StatedActivation>),
    /// Nothing stands between the layer and the next one, or the end of the model.
    Nothing,
    /// These activations stand there, in their order.
    Found(Vec<StatedActivation>),
}

/// The activations that a file states for some layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// For each layer, what stands behind it. Empty if the file has no modules.
    pub behind: Vec<Place>,
    /// Activations whose place is not known.
    pub anywhere: Vec<StatedActivation>,
    /// Modules without tensors beside the layers whose place is not known, and which do something
    /// that is not known or not supported: a norm without parameters, a class of the user.
    pub acting: Vec<StatedActivation>,
}

impl StatedActivation {
    fn describe(&self) -> String {
        match &self.activation {
            Ok(activation) => format!("`{}` ({activation})", self.module),
            Err(class) => format!("`{}` ({class})", self.module),
        }
    }
}

/// The activations that the user named: of the layers, and of the output layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Named {
    pub activation: Option<Activation>,
    pub output_activation: Option<Activation>,
}

/// Joins what the file states with what the user named. Returns the names, completed, and for each
/// layer the activation that the file states for it.
///
/// # Errors
/// [`Error::Input`] for an activation that is not supported, for an option that contradicts the
/// file, and where the file has several activations and does not say which is where.
pub(super) fn join(
    stated: &Stated,
    layers: &[&str],
    source: &str,
    mut options: Named,
) -> Result<(Named, Vec<Option<Activation>>)> {
    refuse_acting(stated, source, options)?;
    let user = options;
    let mut known = vec![None; layers.len()];
    for (index, (place, layer)) in stated.behind.iter().zip(layers).enumerate() {
        let is_last = index + 1 == layers.len();
        let given = match (is_last, layers.len()) {
            (true, 1) => user.output_activation.or(user.activation),
            (true, _) => user.output_activation,
            (false, _) => user.activation,
        };
        let (activation, words) = match place {
            Place::Unknown(modules) if !modules.is_empty() && given.is_none() => {
                let option = if is_last && layers.len() > 1 { "output_activation" } else { "activation" };
                return Err(Error::input(
                    source,
                    format!("{} behind layer `{layer}`, of a class that unrelu does not know", list(modules)),
                    "one of the activations that unrelu inverts",
                    format!("name what it computes, for example option `{option}: relu`; or pick other layers"),
                ));
            }
            Place::Unknown(_) => continue,
            Place::Nothing => (Activation::Identity, "no activation".to_owned()),
            Place::Found(found) => (single(found, layer, source)?, list(found)),
        };
        if let Some(given) = given.filter(|given| *given != activation) {
            let option = if is_last && user.output_activation.is_some() { "output_activation" } else { "activation" };
            return Err(contradiction(source, &format!("{words} behind layer `{layer}`"), option, given));
        }
        if !is_last && activation == Activation::Identity {
            return Err(Error::input(
                source,
                format!("{words} behind layer `{layer}`, a hidden layer"),
                "an activation behind each hidden layer",
                format!("pick other layers; if the generator has none there, {STRUCTURE}"),
            ));
        }
        known[index] = Some(activation);
        if is_last {
            options.output_activation = Some(activation);
        } else {
            options.activation.get_or_insert(activation);
        }
    }
    if !stated.anywhere.is_empty() {
        complete_unordered(&stated.anywhere, layers.len(), source, &mut options)?;
    }
    Ok((options, known))
}

/// Refuses modules that may act. A class of the user may be the activation itself, if the file has
/// no other and the user names it.
fn refuse_acting(stated: &Stated, source: &str, options: Named) -> Result<()> {
    let behind = |place: &Place| matches!(place, Place::Found(_));
    let is_alone = stated.anywhere.is_empty() && !stated.behind.iter().any(behind);
    let may_be_meant = |found: &StatedActivation| {
        let is_own = matches!(&found.activation, Err(class) if class.contains('.'));
        is_own && is_alone && options.activation.is_some()
    };
    let acting: Vec<_> = stated.acting.iter().filter(|found| !may_be_meant(found)).cloned().collect();
    if acting.is_empty() {
        return Ok(());
    }
    let fix = match options.activation {
        None if is_alone => "if it is the activation, name it, for example option `activation: relu`; otherwise",
        _ => "if the generator does not use it,",
    };
    Err(Error::input(
        source,
        format!("{} beside the layers, in a place that the file does not show", list(&acting)),
        "linear layers with activations and BatchNorms that unrelu inverts",
        format!(
            "{fix} save the state_dict and name the activation: torch.save(model.state_dict(), path); a norm cannot be \
             folded, and unrelu does not invert it"
        ),
    ))
}

/// The only activation behind a layer.
fn single(found: &[StatedActivation], layer: &str, source: &str) -> Result<Activation> {
    let refuse = |words: String| {
        Err(Error::input(
            source,
            format!("{words} behind layer `{layer}`"),
            "one of the activations that are read from a whole model: ReLU, LeakyReLU, ELU, SELU, Softplus, SiLU, \
             GELU, Sigmoid, Tanh",
            format!("{STRUCTURE}, beside the state_dict; or save the state_dict and name its activation"),
        ))
    };
    match found {
        [StatedActivation { activation: Ok(activation), .. }] => Ok(*activation),
        // Applied twice, ReLU is itself.
        [first, others @ ..]
            if first.activation == Ok(Activation::Relu)
                && others.iter().all(|other| other.activation == first.activation) =>
        {
            Ok(Activation::Relu)
        }
        _ => refuse(list(found)),
    }
}

/// Completes the options where the order of the modules is not known.
fn complete_unordered(found: &[StatedActivation], depth: usize, source: &str, options: &mut Named) -> Result<()> {
    let is_hidden = |activation: &Activation| !activation.is_bounded();
    let hidden: Vec<_> =
        found.iter().filter(|found| found.activation.as_ref().map_or(true, is_hidden)).cloned().collect();
    let bounded: Vec<_> =
        found.iter().filter(|found| found.activation.as_ref().is_ok_and(|a| !is_hidden(a))).cloned().collect();
    if depth > 1 && !hidden.is_empty() {
        match options.activation {
            Some(given) if hidden.iter().all(|found| found.activation != Ok(given)) => {
                return Err(contradiction(source, &list(&hidden), "activation", given));
            }
            Some(_) => {}
            None => {
                let first = &hidden[0].activation;
                let (Ok(activation), true) = (first, hidden.iter().all(|found| found.activation == *first)) else {
                    return Err(Error::input(
                        source,
                        format!("activation modules {}, without their order", list(&hidden)),
                        "one activation of the hidden layers",
                        "name it, for example option `activation: relu`",
                    ));
                };
                options.activation = Some(*activation);
            }
        }
    }
    if options.output_activation.is_none() && !bounded.is_empty() {
        return Err(Error::input(
            source,
            format!("activation modules {}, without their order", list(&bounded)),
            "the activation of the output layer",
            format!(
                "name it: option `output_activation: {}`, or option `output_activation: identity` if the output has none",
                bounded[0].activation.as_ref().map_or_else(String::clone, Activation::to_string)
            ),
        ));
    }
    Ok(())
}

fn contradiction(source: &str, found: &str, option: &str, given: Activation) -> Error {
    Error::input(
        source,
        found,
        format!("{given}, as option `{option}` says"),
        "leave out the option, since the file names its activations; or pick other layers",
    )
}

fn list(found: &[StatedActivation]) -> String {
    const MOST: usize = 8;
    let shown = found.iter().take(MOST).map(StatedActivation::describe).collect::<Vec<_>>().join(", ");
    if found.len() > MOST { format!("{shown} and {} more", found.len() - MOST) } else { shown }
}
