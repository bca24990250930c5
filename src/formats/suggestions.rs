//! Suggested values for the option `layers`, for files whose layers are ambiguous.
//!
//! Layers are chained by size, whatever their names. A suggestion starts where nothing feeds it,
//! ends where nothing is fed further, and has its smallest size at the start, so it does not run
//! through an encoder. Layers whose names differ only in numbers stay together if their sizes fit
//! in the order of the numbers. If several chains are possible, each is listed with what speaks for
//! it.

use super::chains::{break_in, sizes, width, widths};
use super::modules::Module;
use super::names::{is_of_another_network, parent, pattern, position, stands_between, words};

/// The maximum number of chains that are searched, and that are listed.
const MOST_FOUND: usize = 256;
const MOST_SHOWN: usize = 6;
/// The maximum number of pieces that are chained. The pieces of larger files are listed as they
/// are.
const MOST_NODES: usize = 300;

type Chain<'m, 'a> = Vec<&'m Module<'a>>;

/// The suggestions for a message, best first; `None` if there are none. `linears`: in natural
/// order. `is_possible`: whether a chain may be offered at all.
pub fn suggestions(linears: &[&Module], is_possible: impl Fn(&[&Module]) -> bool) -> Option<String> {
    let mut chains = candidates(linears);
    chains.retain(|chain| !chain.is_empty() && !chain[0].name.is_empty() && is_possible(chain));
    chains.retain(|chain| !skips(chain, linears));
    let largest = linears.iter().map(|module| width(module).0.max(width(module).1)).max().unwrap_or(0);
    // The sort is stable: equal chains keep the order of the file.
    chains.sort_by_key(|chain| std::cmp::Reverse((reasons(chain, largest).len(), chain.len())));
    let several = chains.len() > 1;
    let mut shown: Vec<String> = chains
        .iter()
        .take(MOST_SHOWN)
        .map(|chain| {
            let names = chain.iter().map(|module| module.name).collect::<Vec<_>>().join(",");
            let reasons = reasons(chain, largest);
            let why = if several && !reasons.is_empty() { format!(", {}", reasons.join(", ")) } else { String::new() };
            format!("option `layers: {names}` ({}{why})", sizes(chain))
        })
        .collect();
    if chains.len() > MOST_SHOWN {
        shown.push(format!("{} other chains", chains.len() - MOST_SHOWN));
    }
    if shown.is_empty() { None } else { Some(shown.join(" or ")) }
}

/// Whether a chain leaves out a layer that stands between two of its own.
fn skips(chain: &[&Module], linears: &[&Module]) -> bool {
    let names: Vec<&str> = chain.iter().map(|module| module.name).collect();
    names.len() > 1 && linears.iter().any(|module| stands_between(module.name, &names))
}

/// What speaks for a chain.
fn reasons(chain: &[&Module], largest: usize) -> Vec<String> {
    let mut reasons = Vec::new();
    let has = |list: &[&str]| chain.iter().any(|m| words(m.name).iter().any(|word| list.contains(&word.as_str())));
    if has(&["dec", "decoder", "decode", "gen", "generator", "g", "netg"]) {
        reasons.push("named as a decoder".to_owned());
    }
    if words(chain[0].name).iter().any(|word| ["z", "latent", "code"].contains(&word.as_str())) {
        reasons.push("named as starting at the code".to_owned());
    }
    if has(&["mean", "mu", "loc", "img", "image", "out", "output", "recon"]) {
        reasons.push("named as the data or their mean".to_owned());
    }
    let widths = widths(chain);
    if widths.last() > widths.first() && widths.last() == Some(&largest) {
        reasons.push(format!("ends at the largest size, {largest}"));
    }
    reasons
}

/// The chains that could be the generator.
fn candidates<'m, 'a>(linears: &[&'m Module<'a>]) -> Vec<Chain<'m, 'a>> {
    let blocks = families(linears);
    let mut nodes: Vec<Chain> = blocks.iter().flat_map(|block| generators(block)).collect();
    if nodes.iter().any(|node| !is_of_another_network(node[0].name)) {
        nodes.retain(|node| !is_of_another_network(node[0].name));
    }
    if nodes.is_empty() || nodes.len() > MOST_NODES {
        return blocks;
    }
    let mut paths = Vec::new();
    let links = Links::new(&nodes);
    for start in links.starts() {
        links.extend(&mut vec![start], &mut paths);
    }
    let chains = || paths.iter().map(|path| path.iter().flat_map(|node| nodes[*node].iter().copied()).collect());
    let widening: Vec<Chain> = chains().filter(|chain: &Chain| widens(chain)).collect();
    if widening.is_empty() { chains().collect() } else { widening }
}

/// Whether the smallest size stands at the start, and the last is larger.
fn widens(chain: &Chain) -> bool {
    let widths = widths(chain);
    widths.iter().min() == widths.first() && widths.last() > widths.first()
}

/// Layers whose names differ only in their numbers and whose sizes fit in that order; other layers
/// are blocks of their own.
fn families<'m, 'a>(linears: &[&'m Module<'a>]) -> Vec<Chain<'m, 'a>> {
    let grouped = |members: &[&'m Module<'a>], key: fn(&str) -> String| {
        let mut groups: Vec<(String, Chain<'m, 'a>)> = Vec::new();
        for module in members {
            let key = key(module.name);
            match groups.iter_mut().find(|(name, _)| *name == key) {
                Some((_, members)) => members.push(module),
                None => groups.push((key, vec![module])),
            }
        }
        groups.into_iter().map(|(_, members)| members)
    };
    let by_parent = |name: &str| format!("{}.{}", parent(name), pattern(name));
    let mut blocks = Vec::new();
    for family in grouped(linears, pattern) {
        if break_in(&family).is_none() {
            blocks.push(family);
            continue;
        }
        for block in grouped(&family, by_parent) {
            match break_in(&block) {
                None => blocks.push(block),
                Some(_) => blocks.extend(block.into_iter().map(|module| vec![module])),
            }
        }
    }
    blocks
}

/// The parts of a block that could be a generator, or a piece of one.
fn generators<'m, 'a>(block: &Chain<'m, 'a>) -> Vec<Chain<'m, 'a>> {
    let widths = widths(block);
    let (first, last) = (widths[0], widths[block.len()]);
    let least = widths.iter().min().copied().unwrap_or(first);
    let most = widths.iter().max().copied().unwrap_or(first);
    let narrowest = widths.iter().rposition(|width| *width == least).unwrap_or(0);
    if block.len() == 1 {
        return if last >= first { vec![block.clone()] } else { vec![] };
    }
    if first > least {
        // The part after the bottleneck is the decoder; there is none after the end.
        let decoder = block[narrowest..].to_vec();
        return match decoder.is_empty() {
            true => vec![],
            false if last > first => vec![block.clone(), decoder],
            false => vec![decoder],
        };
    }
    let in_sequence = block.iter().all(|module| position(module.name).is_some());
    let widest = widths.iter().position(|width| *width == most).unwrap_or(block.len());
    if last == first && first < most && !in_sequence {
        return vec![block[..widest].to_vec(), block.clone()];
    }
    vec![block.clone()]
}

/// Which nodes can follow which.
struct Links {
    /// The nodes that can follow each node.
    successors: Vec<Vec<usize>>,
    /// Whether a node keeps the size.
    is_square: Vec<bool>,
}

impl Links {
    /// A node can follow another if the sizes fit, and if not both have closer relatives by name.
    fn new(nodes: &[Chain]) -> Self {
        let ends: Vec<(usize, usize)> = nodes
            .iter()
            .map(|node| {
                let widths = widths(node);
                (widths[0], widths[node.len()])
            })
            .collect();
        let names: Vec<_> = nodes.iter().map(|node| (words(node[0].name), words(node[node.len() - 1].name))).collect();
        let fits = |from: usize, to: usize| from != to && ends[from].1 == ends[to].0;
        let kinship =
            |from: usize, to: usize| names[from].1.iter().zip(&names[to].0).take_while(|(a, b)| a == b).count();
        let all = 0..nodes.len();
        let pairs: Vec<(usize, usize, usize)> = all
            .clone()
            .flat_map(|from| (0..nodes.len()).map(move |to| (from, to)))
            .filter(|(from, to)| fits(*from, *to))
            .map(|(from, to)| (from, to, kinship(from, to)))
            .collect();
        let (mut closest_after, mut closest_before) = (vec![0; nodes.len()], vec![0; nodes.len()]);
        for (from, to, kin) in &pairs {
            closest_after[*from] = closest_after[*from].max(*kin);
            closest_before[*to] = closest_before[*to].max(*kin);
        }
        let mut successors = vec![Vec::new(); nodes.len()];
        for (from, to, kin) in pairs {
            if kin == closest_after[from] || kin == closest_before[to] {
                successors[from].push(to);
            }
        }
        Links { successors, is_square: all.map(|node| ends[node].0 == ends[node].1).collect() }
    }

    /// The nodes that no other feeds. Square layers of one size feed each other; the first of them
    /// counts.
    fn starts(&self) -> Vec<usize> {
        let mut is_fed = vec![false; self.successors.len()];
        for (from, successors) in self.successors.iter().enumerate() {
            for to in successors {
                is_fed[*to] |= !self.is_square[from] || from < *to;
            }
        }
        (0..is_fed.len()).filter(|node| !is_fed[*node]).collect()
    }

    /// Extends a path in every way. Square layers come before layers that leave their size.
    fn extend(&self, path: &mut Vec<usize>, paths: &mut Vec<Vec<usize>>) {
        if paths.len() >= MOST_FOUND {
            return;
        }
        let last = path[path.len() - 1];
        let next: Vec<usize> = self.successors[last].iter().copied().filter(|node| !path.contains(node)).collect();
        let next = match next.iter().find(|node| self.is_square[**node]) {
            Some(square) => vec![*square],
            None => next,
        };
        if next.is_empty() {
            paths.push(path.clone());
        }
        for node in next {
            path.push(node);
            self.extend(path, paths);
            path.pop();
        }
    }
}
