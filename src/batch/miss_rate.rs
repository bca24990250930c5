//! What may be asked of `best`: the share of the lowest minima that it may miss.

use std::str::FromStr;

/// The share of the lowest minima that a search of `best` may miss.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum MissRate {
    /// 1 % where it can be measured and is wanted: for squares, with noise of a named size that can
    /// be drawn, and without other minima. Otherwise the usual search.
    #[default]
    WherePossible,
    /// This share, from 0.0001 to 0.5; refused where it cannot be measured.
    Share(f64),
    /// The usual search.
    None,
}

impl MissRate {
    /// The share of [`Self::WherePossible`].
    pub(super) const USUAL: f64 = 0.01;
}

impl FromStr for MissRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(MissRate::None),
            _ => text
                .parse()
                .map(MissRate::Share)
                .map_err(|_| "expected a share, such as 0.01, or none for the usual search".to_owned()),
        }
    }
}
