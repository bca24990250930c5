//! What makes a single observation impossible to invert, whatever the method.

/// Why an observation cannot be inverted: an entry is infinite, or none is observed (all `NaN`). `None` where it can.
pub fn unusable(observation: &[f64]) -> Option<String> {
    if let Some(entry) = observation.iter().position(|x| x.is_infinite()) {
        return Some(format!("entry {entry} is {}", observation[entry]));
    }
    observation.iter().all(|x| x.is_nan()).then(|| "no entry is observed".to_owned())
}
