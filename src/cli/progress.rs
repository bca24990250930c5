//! Progress on standard error, with the rate and the time left: a bar on a terminal, otherwise a
//! line every few seconds. `NO_COLOR` also replaces the bar by lines, since it asks for plain text.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::print;

/// Time between two lines where there is no bar. A run that is shorter than this prints none.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// A line of text beside the count, set from any thread.
pub struct StatusLine {
    bar: Option<ProgressBar>,
    last: Mutex<Instant>,
}

impl StatusLine {
    /// Replaces the text beside the bar; without a bar, prints it as a line every few seconds.
    pub fn set(&self, words: impl FnOnce() -> String) {
        if print::is_quiet() {
            return;
        }
        if let Some(bar) = &self.bar {
            return bar.set_message(words());
        }
        let Ok(mut last) = self.last.lock() else { return };
        if last.elapsed() >= BETWEEN_LINES {
            *last = Instant::now();
            let _ = writeln!(io::stderr(), "{}", words());
        }
    }
}

/// Progress towards a known number of items.
pub struct Progress {
    label: String,
    /// Items done in an earlier run; they do not count for the rate.
    from: u64,
    total: u64,
    begun: Instant,
    display: Display,
}

enum Display {
    /// Only errors are wanted.
    Nothing,
    Bar(ProgressBar),
    Lines {
        last: Instant,
    },
}

impl Progress {
    /// Begins at 0 of `total`. `label` names the work, for example `generating`.
    pub fn new(label: &str, total: u64) -> Self {
        Self::starting_at(label, 0, total)
    }

    /// Begins at `from` of `total`.
    pub fn starting_at(label: &str, from: u64, total: u64) -> Self {
        let begun = Instant::now();
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !io::stderr().is_terminal();
        let display = match plain {
            _ if print::is_quiet() => Display::Nothing,
            true => Display::Lines { last: begun },
            false => Display::Bar(bar(label, from, total)),
        };
        Progress { label: label.to_owned(), from, total, begun, display }
    }

    /// The line of text beside the count.
    pub fn status_line(&self) -> StatusLine {
        let bar = match &self.display {
            Display::Bar(bar) => Some(bar.clone()),
            Display::Lines { .. } | Display::Nothing => None,
        };
        StatusLine { bar, last: Mutex::new(self.begun) }
    }

    /// `done` of the items are done.
    pub fn set(&mut self, done: u64) {
        match &mut self.display {
            Display::Bar(bar) => bar.set_position(done),
            Display::Lines { last } if last.elapsed() >= BETWEEN_LINES => {
                *last = Instant::now();
                let _ =
                    writeln!(io::stderr(), "{}", line(&self.label, self.from, done, self.total, self.begun.elapsed()));
            }
            Display::Lines { .. } | Display::Nothing => {}
        }
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Display::Bar(bar) = self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &str, from: u64, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10)).with_position(from);
    bar.reset_eta();
    // The template is a constant. If it were invalid, the bar would have the default style.
    if let Ok(style) =
        ProgressStyle::with_template("{prefix} [{bar:40}] {human_pos}/{human_len}  {per_sec}  {eta} left  {msg}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(label.to_owned());
    bar
}

fn line(label: &str, from: u64, done: u64, total: u64, elapsed: Duration) -> String {
    let rate = done.saturating_sub(from) as f64 / elapsed.as_secs_f64().max(1e-9);
    let mut line = format!("{label}: {done} of {total}, {} per second", short(rate));
    if rate > 0.0 && done < total {
        line.push_str(&format!(", {} left", duration((total - done) as f64 / rate)));
    }
    line
}

/// A rate to about three digits.
fn short(rate: f64) -> String {
    if rate >= 100.0 { format!("{rate:.0}") } else { format!("{rate:.2}") }
}

/// Seconds in readable form: `42 s`, `3 min 5 s`, `2 h 10 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_rate_and_time_left() {
        let fresh = line("generating", 0, 500, 2000, Duration::from_secs(2));
        assert_eq!(fresh, "generating: 500 of 2000, 250 per second, 6 s left");
        let resumed = line("inverting", 1000, 1500, 2000, Duration::from_secs(2));
        assert_eq!(resumed, "inverting: 1500 of 2000, 250 per second, 2 s left");
        assert_eq!(duration(3725.0), "1 h 2 min");
    }
}
