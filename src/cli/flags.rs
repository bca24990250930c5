//! The library's messages name fields of options; here the fields become flags.
//!
//! The library writes ``option `force` `` or ``option `threads: 4` ``; the user reads `--force` or
//! `--threads 4`. An error about one whole option names only its field.

use crate::error::Error;

/// Fields, and the flags that the user types for them.
const FLAGS: &[(&str, &str)] = &[
    ("Strategy::Direct", "--direct"),
    ("Strategy::Projected", "--inner"),
    ("Strategy::Search", "--direct=best"),
    ("activation", "--activation"),
    ("adapter", "--adapter"),
    ("alternatives", "--alternatives"),
    ("architecture", "--architecture"),
    ("average", "--average"),
    ("backend", "--backend"),
    ("batch", "--batch"),
    ("batches", "--batches"),
    ("batch_norm_epsilon", "--batch-norm-epsilon"),
    ("block", "--average"),
    ("code_law", "--code-law"),
    ("codes", "-o"),
    ("codes.out", "--codes-out"),
    ("operator.out", "--operator-out"),
    ("codes_as", "--dtype"),
    ("count", "--count"),
    ("device", "--device"),
    ("epsilon", "--epsilon"),
    ("force", "--force"),
    ("gaussian", "--gaussian"),
    ("growth", "--growth"),
    ("hidden_epsilon", "--hidden-epsilon"),
    ("hidden_sign", "--hidden-sign"),
    ("ignore_tensors", "--ignore-tensors"),
    ("image", "--image"),
    ("iterations", "--iterations"),
    ("journaling: Resume", "--resume"),
    ("layers", "--layers"),
    ("mask", "--mask"),
    ("measured", "measured"),
    ("measurements", "--gaussian"),
    ("memory", "--memory"),
    ("method", "--method"),
    ("methods", "--methods"),
    ("momentum", "--momentum"),
    ("network", "--network"),
    ("miss_rate", "--miss-rate"),
    ("noise", "--noise"),
    ("noises", "--noise"),
    ("objective", "--objective"),
    ("observed", "--observed"),
    ("operator", "--operator"),
    ("optimizer", "--optimizer"),
    ("out", "--out"),
    ("output", "-o"),
    ("output_activation", "--output-activation"),
    ("parts", "PART"),
    ("passes", "--passes"),
    ("pass_seconds", "--seconds"),
    ("pixels", "--pixels"),
    ("prior", "--prior"),
    ("quantities", "--quantities"),
    ("quick", "--quick"),
    ("refine", "--refine"),
    ("relaxed_weights", "--relaxed-weights"),
    ("report", "--report"),
    ("reproduces_within", "reproduced within"),
    ("restarts", "--restarts"),
    ("row_tolerances", "--row-tolerances"),
    ("rows", "--rows"),
    ("seconds", "--seconds"),
    ("seed", "--seed"),
    ("shard", "--shard"),
    ("solver", "--solver"),
    ("starts", "--starts"),
    ("step", "--step"),
    ("stop", "--stop"),
    ("threads", "--threads"),
    ("tolerance", "tolerance"),
    ("truth", "--truth"),
    ("uncertainty", "--uncertainty"),
];

/// Library calls that messages mention, and the commands that do the same.
const COMMANDS: &[(&str, &str)] = &[("`list_adapters`", "`unrelu devices`")];

/// An error in the user's words.
pub fn message(error: &Error) -> String {
    match error {
        Error::BadOption { option, found, expected } => {
            let option = flag(option).unwrap_or_else(|| option.clone());
            words(&format!("{option}: {found}; expected {expected}"))
        }
        other => words(&other.to_string()),
    }
}

/// A text of the library in the user's words.
pub fn words(text: &str) -> String {
    const MARK: &str = "option `";
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        result.push_str(before);
        let flagged = after.split_once('`').and_then(|(field, after)| Some((flag(field)?, after)));
        rest = match flagged {
            Some((flag, after)) => {
                result.push_str(&flag);
                after
            }
            None => {
                result.push_str(MARK);
                after
            }
        };
    }
    result.push_str(rest);
    COMMANDS.iter().fold(result, |text, (call, command)| text.replace(call, command))
}

/// The flag of a field, with its value if there is one; `None` for text that is not a field.
fn flag(field: &str) -> Option<String> {
    let exact = |field: &str| FLAGS.iter().find(|(name, _)| *name == field).map(|(_, flag)| (*flag).to_owned());
    if let Some(inner) = field.strip_prefix("inversion.") {
        return Some(format!("inversion {}", flag(inner)?));
    }
    exact(field).or_else(|| field.split_once(": ").and_then(|(name, value)| Some(format!("{} {value}", exact(name)?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::engine::Engine;
    use crate::batch::{BestMethod, Inverter, Method, Options};
    use crate::descent::DescentOptions;
    use crate::lp::layer::LayerwiseOptions;
    use crate::network::Activation;
    use crate::random::random_network;

    #[test]
    fn fields_become_flags() {
        assert_eq!(words("replace it with option `force`"), "replace it with --force");
        assert_eq!(words("option `layers: a,b` (2 → 4) or option `layers: c`"), "--layers a,b (2 → 4) or --layers c");
        assert_eq!(
            words("go on with option `journaling: Resume`; see `list_adapters`"),
            "go on with --resume; see `unrelu devices`"
        );
        assert_eq!(words("option `inversion.epsilon` 0.1 and not 0.2"), "inversion --epsilon 0.1 and not 0.2");
        let error = Error::option("threads", "0", "1 to 1024, or no option `adapter`");
        assert_eq!(message(&error), "--threads: 0; expected 1 to 1024, or no --adapter");
    }

    #[test]
    fn names_from_files_stay_as_they_are() {
        let error = Error::input("a.pth", "no layer `step`", "one of `force`, `out`", "correct the name");
        assert_eq!(message(&error), error.to_string());
        for text in ["option `unheard_of`", "option `force", "option ``", "an option `nothing: 1`"] {
            assert_eq!(words(text), text);
        }
    }

    #[test]
    fn every_option_of_a_run_has_a_flag() {
        let methods = [
            Method::Layerwise(LayerwiseOptions::default()),
            Method::Best(BestMethod::default()),
            Method::Descent(DescentOptions::default()),
        ];
        for method in methods {
            let network = random_network(&[2, 6], Activation::Relu, 1).unwrap();
            let inverter = Inverter::new(network, Options { method, ..Options::default() }).unwrap();
            for (name, _) in inverter.options_that_matter() {
                assert!(flag(&name).is_some(), "{name}");
            }
        }
    }
}
