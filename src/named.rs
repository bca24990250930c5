//! Enums that are chosen by name. `strum` derives parsing and printing; this file makes the error
//! message.

use strum::VariantNames;

/// The error for a text that is not the name of a variant of `T`: what was found, and the valid
/// names.
pub fn unknown<T: VariantNames>(text: &str) -> String {
    let names = match T::VARIANTS {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        names => names.concat(),
    };
    format!("found `{text}`, expected {names}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, strum::Display, strum::EnumString, strum::VariantNames)]
    #[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
    enum Colour {
        Red,
        DarkBlue,
        Green,
    }

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for colour in [Colour::Red, Colour::DarkBlue, Colour::Green] {
            assert_eq!(colour.to_string().parse(), Ok(colour));
        }
        assert_eq!("blue".parse::<Colour>(), Err("found `blue`, expected red, dark-blue or green".to_owned()));
        assert!("".parse::<Colour>().unwrap_err().starts_with("found ``, expected"));
    }
}
