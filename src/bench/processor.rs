//! The processor's name, for the heading of every table.

use std::fs;

/// The processor's name according to Linux; on other systems, its architecture.
pub fn name() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model_name(&told).unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH))
}

fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let name = line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_first_processors() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some  CPU @ 2.6GHz\nmodel name\t: other\n";
        assert_eq!(model_name(cpuinfo).as_deref(), Some("Some CPU @ 2.6GHz"));
        assert_eq!(model_name("model name :\n"), None);
        assert!(!name().is_empty());
    }
}
