//! The printed table, at most 100 columns wide; rows are printed when they are ready.

use super::machine::{Kind, Machine};
use super::row::{Crossover, Row};
use super::{Event, Options};

/// The printed text of an event.
pub fn text(event: &Event<'_>) -> String {
    match event {
        Event::Begun(machine, options) => heading(machine, options),
        Event::Notice(text) => wrapped(text, ""),
        Event::Series(subject, quantity) => format!("\n{}: {}\n{}", subject.name, quantity.title(), columns(HEADINGS)),
        Event::Rows(rows) => lines(rows),
        Event::Ended(None) => String::new(),
        Event::Ended(Some(Crossover::From(batch))) => format!("GPU faster from a batch of {batch} on\n"),
        Event::Ended(Some(Crossover::Nowhere)) => "GPU not faster at any batch size\n".to_owned(),
    }
}

/// Processor, threads and adapter in one line, for a picture's title or a log.
pub fn machine_line(machine: &Machine) -> String {
    let threads = if machine.threads == 1 { "thread" } else { "threads" };
    let gpu = machine.gpu.as_ref().map_or("no GPU".to_owned(), |gpu| format!("GPU: {}", gpu.adapter));
    format!("CPU: {}, {} {threads}; {gpu}", machine.cpu, machine.threads)
}

fn heading(machine: &Machine, options: &Options) -> String {
    let threads = if machine.threads == 1 { "thread" } else { "threads" };
    let (double, single) = (short(machine.cpu_peak), short(machine.cpu_peak_in_f32));
    let peak = format!("peak {double} GFLOP/s in f64, {single} in f32");
    let mut text = wrapped(&format!("CPU: {}, {} {threads}; {peak}", machine.cpu, machine.threads), "");
    if let Some(gpu) = &machine.gpu {
        let clock = if gpu.timestamps { "with timestamps" } else { "no timestamps" };
        text += &wrapped(&format!("GPU: {}; peak {} GFLOP/s in f32, {clock}", gpu.adapter, short(gpu.peak)), "");
    }
    if let Some(notice) = &machine.notice {
        text += &wrapped(notice, "");
    }
    text + &wrapped(
        &format!(
            "A pass starts and ends with arrays on the host. One warm-up pass, then {} s of passes, at least three. \
             Descent: plain, {} iterations.",
            options.repeat_seconds, options.descent_iterations
        ),
        "",
    )
}

const HEADINGS: [&str; 9] =
    ["batch", "", "per second", "per pass", "(min – max)", "runs", "reached", "of peak", "kernels"];

fn columns([batch, device, rate, median, spread, runs, reached, share, kernels]: [&str; 9]) -> String {
    let line = format!(
        "{batch:>7} {device:<3} {rate:>10} {median:>9} {spread:<19} {runs:>4} {reached:>12} {share:>7} {kernels:>8}"
    );
    line.trim_end().to_owned() + "\n"
}

/// The lines of one batch; the last one compares the GPU with the CPU.
fn lines(rows: &[Row]) -> String {
    let cpu = rows.iter().find(|row| row.device == Kind::Cpu).and_then(|row| row.per_second);
    let of_row = |row: &Row| {
        let ratio = match (row.device, row.per_second, cpu) {
            (Kind::Gpu, Some(gpu), Some(cpu)) => format!("  {}×", short(gpu / cpu)),
            _ => String::new(),
        };
        let line = line(row);
        format!("{}{ratio}\n{}", line.trim_end(), note(row))
    };
    rows.iter().map(of_row).collect()
}

fn line(row: &Row) -> String {
    let device = name(row.device);
    let batch = row.batch.to_string();
    let (Some(rate), Some(median), Some(least), Some(most)) =
        (row.per_second, row.seconds_median, row.seconds_min, row.seconds_max)
    else {
        let why = row.note.as_deref().unwrap_or("not run");
        return wrapped(&format!("{batch:>7} {device:<3} {why}"), "            ");
    };
    let (scale, unit) = unit_of_time(median);
    let reached = match (row.gflops, row.bytes_per_second) {
        (Some(gflops), _) => format!("{} GFLOP/s", short(gflops)),
        (None, Some(bytes)) => format!("{} GB/s", short(1e-9 * bytes)),
        (None, None) => "–".to_owned(),
    };
    let share = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{} %", short(100.0 * share)));
    columns([
        &batch,
        device,
        &scaled(rate),
        &format!("{} {unit}", short(scale * median)),
        &format!("({} – {})", short(scale * least), short(scale * most)),
        &row.repeats.to_string(),
        &reached,
        &share(row.share_of_peak),
        &share(row.kernel_seconds.map(|kernels| kernels / median)),
    ])
}

/// The remark below a row that has figures.
fn note(row: &Row) -> String {
    match (&row.note, row.per_second) {
        (Some(note), Some(_)) => format!("            {note}\n"),
        _ => String::new(),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Cpu => "CPU",
        Kind::Gpu => "GPU",
    }
}

/// Explanation of the columns.
pub const FOOTING: &str = "
per second: batch (times iterations, for descent) over the median. reached: 2·Σ nᵢ·nᵢ₋₁ operations
per forward pass, twice that per iteration of descent; classification in bytes, 8 per entry;
inversions are not counted. of peak: share of the measured peak in the heading; on the CPU the peak
in f64, for descent (f32, finished in f64) that in f32. kernels: the share of a pass in which
kernels ran, by the adapter's clock. The last figure of a GPU line: speed relative to the CPU.
";

/// The unit for a number of seconds, and how many of this unit a second has.
fn unit_of_time(seconds: f64) -> (f64, &'static str) {
    match seconds {
        seconds if seconds >= 0.9995 => (1.0, "s"),
        seconds if seconds >= 0.9995e-3 => (1e3, "ms"),
        seconds if seconds >= 0.9995e-6 => (1e6, "µs"),
        _ => (1e9, "ns"),
    }
}

/// Formats a number with three digits.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        size if size >= 0.9995 => format!("{number:.2}"),
        size if size >= 0.000_999_5 || size == 0.0 => format!("{number:.3}"),
        _ => format!("{number:.0e}"),
    }
}

/// Formats a number with three digits and a letter for a thousand, a million or a billion.
fn scaled(number: f64) -> String {
    match number {
        number if number >= 999.5e6 => format!("{} G", short(1e-9 * number)),
        number if number >= 999.5e3 => format!("{} M", short(1e-6 * number)),
        number if number >= 999.5 => format!("{} k", short(1e-3 * number)),
        number => short(number),
    }
}

/// Wraps text to 100 columns; the second and later lines start with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let leading: String = text.chars().take_while(|character| *character == ' ').collect();
    let mut lines = vec![leading];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= 100 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::subject::Subject;
    use crate::bench::throughput::quantity::Quantity;
    use crate::bench::throughput::row::tests::{machine, row};

    #[test]
    fn lines_fit_into_a_hundred_columns_and_tell_the_figures() {
        let subject = &Subject::usual().unwrap()[0];
        let cpu = row(Kind::Cpu, Quantity::Descend, 65_536, 6_553_600.0, 123.4);
        let gpu = row(Kind::Gpu, Quantity::Descend, 65_536, 6_553_600.0, 0.012_34);
        let mut machine = machine();
        machine.notice = Some("no rows of a GPU: ".to_owned() + &"there is none ".repeat(20));
        let mut stopped = row(Kind::Gpu, Quantity::Invert, 65_536, 1.0, 1.0);
        (stopped.per_second, stopped.note) = (None, Some("not run: ".to_owned() + &"the driver gave up ".repeat(9)));
        let mut doubtful = row(Kind::Cpu, Quantity::Invert, 4, 4.0, 1.0);
        doubtful.note = Some("3 of them not certified".into());
        let text: String = [
            Event::Begun(&machine, &Options::full()),
            Event::Series(subject, Quantity::Descend),
            Event::Rows(&[cpu, gpu]),
            Event::Rows(&[doubtful, stopped]),
            Event::Ended(Some(Crossover::From(16))),
            Event::Ended(Some(Crossover::Nowhere)),
        ]
        .iter()
        .map(text)
        .collect::<String>()
            + FOOTING;
        assert!(text.lines().all(|line| line.chars().count() <= 100 && !line.ends_with(' ')), "{text}");
        let fields = |start: &str| -> Vec<&str> {
            let line =
                text.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_else(|| panic!("{text}"));
            line.split_whitespace().collect()
        };
        assert_eq!(
            fields("65536 GPU")[2..],
            [
                "531", "M", "12.3", "ms", "(6.17", "–", "24.7)", "5", "110466", "GFLOP/s", "11047", "%", "25.0", "%",
                "10000×"
            ]
        );
        assert_eq!(fields("65536 CPU")[2..4], ["53.1", "k"]);
        assert!(text.contains("a processor, 2 threads") && text.contains("a card (vulkan)"), "{text}");
        assert!(
            text.contains("            3 of them not certified\n") && text.contains("from a batch of 16 on"),
            "{text}"
        );
    }
}
