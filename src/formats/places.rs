//! Where a module stands among the layers of the generator, from its name. Only a `Sequential`
//! shows this: its modules are numbered (`net.0`, `net.1`, …), and a missing number is a module
//! without tensors, such as an activation.
//!
//! `net.0` linear, `net.1` BatchNorm, `net.3` linear: the BatchNorm stands before the activation.
//! `net.0` linear, `net.2` BatchNorm, `net.3` linear: it stands after the activation. With missing
//! numbers on both sides, one of them may be a dropout, so the place is unknown. A PReLU is an
//! activation that has a number. A list of layers without gaps is a `ModuleList`, whose activations
//! are applied elsewhere.

use std::collections::BTreeMap;

use super::modules::{Kind, Module};
use super::names::{parent, position};

/// The place of a BatchNorm or PReLU among the layers, which are counted from 0 at the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// After the layer's linear map: a BatchNorm before the activation, or the activation itself.
    After(usize),
    /// Directly before the layer's linear map.
    Before(usize),
    /// Not among the layers.
    Elsewhere,
    /// Among the layers, but the name does not show exactly where.
    Unknown,
}

/// The numbered modules of one parent.
pub struct Sequence<'m, 'a> {
    modules: BTreeMap<u64, &'m Module<'a>>,
    at: u64,
}

impl<'m, 'a> Sequence<'m, 'a> {
    /// The sequence of a module; `None` if it has no number, or if no linear layer beside it has
    /// one.
    pub fn of(modules: &'m [Module<'a>], module: &Module) -> Option<Self> {
        let at = position(module.name)?;
        let siblings = modules.iter().filter(|other| parent(other.name) == parent(module.name));
        let numbered: BTreeMap<u64, _> = siblings.filter_map(|other| Some((position(other.name)?, other))).collect();
        numbered.values().any(|other| is_linear(other)).then_some(Sequence { modules: numbered, at })
    }

    /// The last linear layer before the module, and its number.
    pub fn previous(&self) -> Option<(u64, &'m Module<'a>)> {
        self.modules.range(..self.at).rev().find(|(_, other)| is_linear(other)).map(|(at, other)| (*at, *other))
    }

    /// The first linear layer after the module, and its number.
    pub fn next(&self) -> Option<(u64, &'m Module<'a>)> {
        let after = self.modules.range(self.at.saturating_add(1)..);
        after.into_iter().find(|(_, other)| is_linear(other)).map(|(at, other)| (*at, *other))
    }

    /// Whether only BatchNorms have the numbers strictly between two, without a gap.
    fn joined(&self, from: u64, to: u64) -> bool {
        (from.saturating_add(1)..to)
            .all(|at| self.modules.get(&at).is_some_and(|other| matches!(other.kind, Kind::BatchNorm { .. })))
    }

    /// The number of PReLUs strictly between two numbers, without the module itself.
    fn slopes(&self, from: u64, to: u64) -> usize {
        let between = self.modules.range(from..to).filter(|(at, _)| **at != self.at);
        between.filter(|(_, other)| matches!(other.kind, Kind::Slopes { .. })).count()
    }

    /// Whether two linear layers follow each other without room for an activation.
    fn is_list(&self) -> bool {
        let linears: Vec<u64> = self.modules.iter().filter(|(_, other)| is_linear(other)).map(|(at, _)| *at).collect();
        linears.windows(2).any(|pair| pair[1] - pair[0] < 1 << 20 && self.joined(pair[0], pair[1]))
    }
}

fn is_linear(module: &Module) -> bool {
    matches!(module.kind, Kind::Linear { .. })
}

/// The place of `module` among the layers `chain`; `None` if its name shows nothing.
pub fn place(modules: &[Module], chain: &[&Module], module: &Module) -> Option<Place> {
    let sequence = Sequence::of(modules, module)?;
    let layer = |other: Option<(u64, &Module)>| {
        other.and_then(|(_, other)| chain.iter().position(|layer| layer.name == other.name))
    };
    let (previous, next) = (layer(sequence.previous()), layer(sequence.next()));
    if let (Some(previous), Some(next)) = (previous, next)
        && next != previous + 1
    {
        return Some(Place::Unknown);
    }
    Some(match module.kind {
        Kind::BatchNorm { .. } => batch_norm(&sequence, previous, next),
        Kind::Slopes { .. } => slopes(&sequence, previous, next),
        _ => others(&sequence, previous, next),
    })
}

/// `previous`, `next`: the numbers of the neighbouring layers, if they belong to the generator.
fn batch_norm(sequence: &Sequence, previous: Option<usize>, next: Option<usize>) -> Place {
    let at = sequence.at;
    let (before, after) = (sequence.previous(), sequence.next());
    let slope_before = before.is_some_and(|(from, _)| sequence.slopes(from, at) > 0);
    let slope_after = after.map_or(sequence.slopes(at, u64::MAX), |(to, _)| sequence.slopes(at, to)) > 0;
    let joined_before = before.is_some_and(|(from, _)| sequence.joined(from, at));
    let joined_after = after.is_some_and(|(to, _)| sequence.joined(at, to));
    let adjacency_counts = !sequence.is_list();
    let precedes = before.is_some() && slope_after || adjacency_counts && joined_before && !joined_after;
    let follows = slope_before || adjacency_counts && joined_after && !joined_before;
    match (precedes, follows) {
        (true, false) => previous.map_or(Place::Elsewhere, Place::After),
        (false, true) => match (next, after, previous) {
            (Some(next), _, _) => Place::Before(next),
            (None, Some(_), _) | (None, None, None) => Place::Elsewhere,
            (None, None, Some(_)) => Place::Unknown,
        },
        _ if previous.is_none() && next.is_none() => Place::Elsewhere,
        _ => Place::Unknown,
    }
}

fn slopes(sequence: &Sequence, previous: Option<usize>, next: Option<usize>) -> Place {
    let from = sequence.previous().map_or(0, |(from, _)| from);
    let to = sequence.next().map_or(u64::MAX, |(to, _)| to);
    match (previous, next) {
        (None, None) => Place::Elsewhere,
        _ if sequence.slopes(from, to) > 0 => Place::Unknown,
        (Some(previous), _) => Place::After(previous),
        (None, Some(_)) if sequence.previous().is_some() => Place::Elsewhere,
        (None, Some(0)) => Place::Unknown,
        (None, Some(next)) => Place::After(next - 1),
    }
}

/// Normalisations that cannot be folded, and linear layers that were not picked.
fn others(sequence: &Sequence, previous: Option<usize>, next: Option<usize>) -> Place {
    match (previous, next) {
        (None, None) => Place::Elsewhere,
        // It follows a layer that was not picked.
        (None, Some(_)) if sequence.previous().is_some() => Place::Elsewhere,
        _ => Place::Unknown,
    }
}

/// Where a module stands, for a message; empty if its name does not show it.
pub fn words(modules: &[Module], chain: &[&Module], module: &Module) -> String {
    let Some(sequence) = Sequence::of(modules, module) else { return String::new() };
    let name = |other: Option<(u64, &Module)>| {
        let name = other.map(|(_, other)| other.name.to_owned());
        name.filter(|name| chain.iter().any(|layer| layer.name == name))
    };
    match (name(sequence.previous()), name(sequence.next())) {
        (Some(before), Some(after)) => format!("stands between the picked layers `{before}` and `{after}`"),
        (Some(before), None) => format!("stands after the picked layer `{before}`"),
        (None, Some(after)) => format!("stands before the picked layer `{after}`"),
        (None, None) => String::new(),
    }
}
