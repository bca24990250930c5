//! What the names of modules say: the part before the last dot, numbers, positions in a
//! `Sequential`, and words such as `encoder`.

/// The name with every number replaced by `*`, so that names that differ only in numbers are equal.
pub fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    for character in name.chars() {
        if !character.is_ascii_digit() {
            pattern.push(character);
        } else if !pattern.ends_with('*') {
            pattern.push('*');
        }
    }
    pattern
}

/// The part of a name before the last dot.
pub fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// How networks are described that names of tensors do not describe.
pub const STRUCTURE: &str = "give a list of operations with option `architecture`, or an ONNX model";

/// The part of a name after the last dot.
pub fn own(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, own)| own)
}

/// The last number in the last part of a name.
pub fn last_number(name: &str) -> Option<u64> {
    let digits = own(name).rsplit(|character: char| !character.is_ascii_digit()).find(|part| !part.is_empty());
    digits.and_then(|digits| digits.parse().ok())
}

/// The position in a `Sequential` or list: the last part of the name, if it is a number.
pub fn position(name: &str) -> Option<u64> {
    let number: u64 = own(name).parse().ok()?;
    (number.to_string() == own(name)).then_some(number)
}

/// The position, in the `Sequential` called `part`, of the child that is `name` or contains it.
pub fn position_in(part: &str, name: &str) -> Option<u64> {
    let rest = if part.is_empty() { name } else { name.strip_prefix(part)?.strip_prefix('.')? };
    rest.split('.').next().and_then(position)
}

/// Whether a name, or a part of the model that contains it, has a position strictly between those
/// of two layers. `layers`: the names of the picked layers, in order.
pub fn stands_between(name: &str, layers: &[&str]) -> bool {
    let mut part = name;
    while !part.is_empty() {
        let within = parent(part);
        if let Some(own) = position(part) {
            let positions = || layers.iter().filter_map(|layer| position_in(within, layer));
            // Numbers that do not rise along the chain are no positions.
            let is_between = positions().is_sorted()
                && positions().any(|at| at < own)
                && positions().any(|at| at > own)
                && positions().all(|at| at != own);
            if is_between {
                return true;
            }
        }
        part = within;
    }
    false
}

/// The words of a name in lower case: `decoder.fc_outMean2` has decoder, fc, out and mean.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        let starts = !character.is_ascii_alphabetic() || (was_lower && character.is_ascii_uppercase());
        if starts {
            words.push(String::new());
        }
        if character.is_ascii_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.push(character.to_ascii_lowercase());
        }
        was_lower = character.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a name is that of an encoder, a discriminator or a classifier.
pub fn is_of_another_network(name: &str) -> bool {
    const WORDS: [&str; 11] = [
        "enc",
        "encoder",
        "encode",
        "disc",
        "discriminator",
        "critic",
        "classifier",
        "cls",
        "recognition",
        "posterior",
        "inference",
    ];
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a name belongs to the state of an optimizer.
pub fn is_of_an_optimizer(name: &str) -> bool {
    const STATE: [&str; 6] = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "acc_delta"];
    STATE.contains(&own(name)) || words(parent(name)).iter().any(|word| word.starts_with("optim") || word == "opt")
}

/// Whether a tensor is a counter that BatchNorm needs for training only.
pub fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Whether a tensor's own name is that of a recorded number: an epoch, a loss, a learning rate.
pub fn is_recorded(name: &str) -> bool {
    const RECORDED: &str = "loss losses error errors acc accuracy score metric metrics lr epoch epochs step steps iter \
         iters iteration iterations time count counter kl elbo decay best seed history num version updates";
    const RATES: [&str; 2] = ["learning", "dropout"];
    // A `loss_scale` is a scale.
    const APPLIED: &str = "mean mu std stddev var variance sigma scale scales scaling shift shifts offset bias gamma \
         alpha slope slopes gain loc norm temperature temp factor multiplier leak center centre prelu coef intercept";
    let words = words(own(name));
    let is_in = |list: &str, word: &str| list.split_whitespace().any(|other| other == word);
    let is_rate = |word: &str| word == "rate" && words.iter().any(|other| RATES.contains(&other.as_str()));
    let is_applied = words.last().is_some_and(|word| is_in(APPLIED, word));
    !is_applied && words.iter().any(|word| is_in(RECORDED, word) || is_rate(word))
}

/// Whether the name of a module is that of an activation. In a numbered list, the name of the list
/// counts.
pub fn is_of_an_activation(name: &str) -> bool {
    const WORDS: [&str; 8] = ["act", "acts", "activation", "activations", "slope", "slopes", "nonlin", "nonlinearity"];
    let name = if position(name).is_some() { parent(name) } else { name };
    own(name).to_ascii_lowercase().contains("relu")
        || words(own(name)).iter().any(|word| WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(words("decoder.fc_outMean2"), ["decoder", "fc", "out", "mean"]);
        assert_eq!((parent("a.b.0"), own("a.b.0"), position("a.b.0"), position("a.fc1")), ("a.b", "0", Some(0), None));
        assert_eq!((position("a.01"), last_number("a.fc01"), last_number("x")), (None, Some(1), None));
        assert_eq!(pattern("blocks.10.fc2"), "blocks.*.fc*");
    }

    #[test]
    fn parts_between_layers_are_found() {
        let layers = ["net.0", "net.4"];
        assert!(["net.2", "net.2.fc", "net.3.block.1.fc"].iter().all(|name| stands_between(name, &layers)));
        assert!(!["net.0.fc", "net.5.fc", "net.fc", "other.2.fc", "2", ""].iter().any(|n| stands_between(n, &layers)));
        assert!(stands_between("1.fc", &["0.linear", "2.linear"]) && !stands_between("2.bn", &["0", "2.fc", "4"]));
    }

    #[test]
    fn purposes_are_told_from_words() {
        assert!(is_of_another_network("enc_bn1") && is_of_another_network("model.Encoder.0"));
        assert!(!is_of_another_network("dec_bn1") && !is_of_another_network("sequence"));
        assert!(["best_loss", "min_val_loss", "learning_rate", "version"].iter().all(|name| is_recorded(name)));
        assert!(!["pixel_std", "outScale", "k", "leak_rate", "loss_scale"].iter().any(|name| is_recorded(name)));
        assert!(["net.act1", "f.PReLU", "prelus.0", "leaky_relu"].iter().all(|name| is_of_an_activation(name)));
        assert!(!["net.1", "factor", "act.out", ""].iter().any(|name| is_of_an_activation(name)));
        assert!(is_of_an_optimizer("state.optimizer.state.0.exp_avg") && !is_of_an_optimizer("net.0.weight"));
    }
}
