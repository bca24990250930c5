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

/// The words of a name in lower case: `decoder.fc_outMean2` has decoder, fc, out and mean.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        let starts = !character.is_ascii_alphabetic() || (was_lower && character.is_ascii_uppercase());
        if starts {
            words.push(String::new());
        }
        if character.is_ascii_alphabetic() {
            if let Some(word) = words.last_mut() {
                word.push(character.to_ascii_lowercase())
            }
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

/// Whether a name is that of a number that is applied to values: a mean, a scale, a slope.
pub fn is_applied_to_values(name: &str) -> bool {
    const APPLIED: &str = "mean mu std stddev var variance sigma scale scales scaling shift shifts offset bias gamma \
         beta alpha slope slopes gain loc min max range norm temperature temp factor multiplier a b w leak center \
         centre prelu coef intercept logstd logvar logsigma logscale weight act";
    const RECORDED: &str = "loss losses error acc accuracy score metric metrics lr rate epoch epochs step steps time \
         count kl elbo decay best seed history num n";
    let words = words(own(name));
    let has = |list: &str| words.iter().any(|word| list.split(' ').any(|other| other.trim() == word));
    has(APPLIED) && !has(RECORDED)
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
    fn purposes_are_told_from_words() {
        assert!(is_of_another_network("enc_bn1") && is_of_another_network("model.Encoder.0"));
        assert!(!is_of_another_network("dec_bn1") && !is_of_another_network("sequence"));
        assert!(
            is_applied_to_values("pixel_std") && is_applied_to_values("outScale") && is_applied_to_values("log_std")
        );
        assert!(!is_applied_to_values("best_loss") && !is_applied_to_values("min_val_loss"));
        assert!(is_of_an_optimizer("state.optimizer.state.0.exp_avg") && !is_of_an_optimizer("net.0.weight"));
    }
}
