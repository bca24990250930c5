//! The picture of `unrelu bench throughput`: rate by batch size, one panel per quantity.

use super::axis::{Axis, Scale};
use super::plot::{Curve, Panel, Plot, Style};
use crate::bench::throughput::Kind;
use crate::bench::throughput::row::Row;

/// Plots every series of `rows`; `machine` is below the title. The CPU and the GPU have different
/// colours; the second of several networks is dashed.
pub fn plot(rows: &[Row], machine: &str) -> Plot {
    let networks = distinct(rows.iter().map(|row| row.network.as_str()));
    let quantities = distinct(rows.iter().map(|row| row.quantity));
    // The same range for all panels, even if a series ended early.
    let batches: Vec<f64> = rows.iter().filter(|row| row.per_second.is_some()).map(|row| row.batch as f64).collect();
    let curve = |network: usize, device: Kind, quantity| {
        let series = rows
            .iter()
            .filter(|row| (row.network.as_str(), row.device, row.quantity) == (networks[network], device, quantity));
        let points: Vec<_> = series.filter_map(|row| Some((row.batch as f64, row.per_second?))).collect();
        let name = match device {
            Kind::Cpu => "CPU",
            Kind::Gpu => "GPU",
        };
        let colour = usize::from(device == Kind::Gpu) + 2 * (network / 2);
        // The font has no arrow.
        let label = format!("{name}, {}", networks[network].replace('→', "-"));
        let style = if network % 2 == 1 { Style::Dashed } else { Style::Solid };
        (!points.is_empty()).then_some(Curve { label, points, colour, style })
    };
    let panels = quantities.iter().map(|&quantity| Panel {
        title: quantity.title().to_owned(),
        horizontal: Axis { label: "batch".to_owned(), scale: Scale::Logarithmic, shows: batches.clone() },
        vertical: Axis { label: "per second".to_owned(), scale: Scale::Logarithmic, shows: Vec::new() },
        curves: (0..networks.len())
            .flat_map(|network| [Kind::Cpu, Kind::Gpu].map(|device| (network, device)))
            .filter_map(|(network, device)| curve(network, device, quantity))
            .collect(),
    });
    Plot { title: format!("Throughput, transfers included\n{machine}"), panels: panels.collect() }
}

/// The distinct items, in their order.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::throughput::quantity::Quantity;
    use crate::bench::throughput::row::tests::row;

    #[test]
    fn a_curve_is_a_series_of_what_was_measured() {
        let at = |kind, quantity, batch: usize| row(kind, quantity, batch, batch as f64, 0.5);
        let mut rows = vec![
            at(Kind::Cpu, Quantity::Forward, 1),
            at(Kind::Gpu, Quantity::Forward, 1),
            at(Kind::Cpu, Quantity::Forward, 4),
            at(Kind::Gpu, Quantity::Forward, 4),
            at(Kind::Cpu, Quantity::Invert, 1),
        ];
        rows[3].per_second = None;
        rows[4].network = "other 2→3".into();
        let plot = plot(&rows, "a machine");
        let [forward, invert] = &plot.panels[..] else { panic!("{plot:?}") };
        let [cpu, gpu] = &forward.curves[..] else { panic!("{forward:?}") };
        assert_eq!((&*cpu.label, &cpu.points[..]), ("CPU, random 20-100-500", &[(1.0, 2.0), (4.0, 8.0)][..]));
        assert_eq!((&*gpu.label, &gpu.points[..]), ("GPU, random 20-100-500", &[(1.0, 2.0)][..]));
        assert!(cpu.colour != gpu.colour && cpu.style == Style::Solid);
        assert_eq!((invert.curves.len(), &*invert.curves[0].label), (1, "CPU, other 2-3"));
        assert!(invert.curves[0].style == Style::Dashed && invert.horizontal.shows.contains(&4.0));
    }
}
