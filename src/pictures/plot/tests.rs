//! Plots are drawn, written and checked pixel by pixel.

use std::fs::File;
use std::io::BufReader;

use super::super::WHITE;
use super::super::axis::Scale;
use super::curve::COLOURS;
use super::*;

fn panel(points: Vec<(f64, f64)>) -> Panel {
    let axis = |label: &str| Axis { label: label.into(), scale: Scale::Logarithmic, shows: Vec::new() };
    let curve = |label: &str, points: Vec<(f64, f64)>, colour| Curve {
        label: label.into(),
        points,
        colour,
        style: if colour > 0 { Style::Dashed } else { Style::Solid },
    };
    let upper = points.iter().map(|(x, y)| (*x, 3.0 * y)).collect();
    Panel {
        title: "passes".into(),
        horizontal: axis("batch"),
        vertical: axis("a second"),
        curves: vec![curve("CPU", points, 0), curve("GPU", upper, 1)],
    }
}

struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn of(plot: &Plot) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.png");
        write_plot(&path, plot, false).unwrap();
        let mut reader = png::Decoder::new(BufReader::new(File::open(&path).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        Picture { width: info.width as usize, height: info.height as usize, pixels }
    }

    /// Left, right, top and bottom of the pixels that have exactly this colour.
    fn extent(&self, colour: Colour) -> Option<(usize, usize, usize, usize)> {
        let found = (0..self.width * self.height).filter(|place| self.pixels[3 * place..][..3] == colour);
        let corners = found.map(|place| (place % self.width, place / self.width)).map(|(x, y)| (x, x, y, y));
        corners.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1), a.2.min(b.2), a.3.max(b.3)))
    }

    fn border_is_white(&self) -> bool {
        let white = |x: usize, y: usize| self.pixels[3 * (y * self.width + x)..][..3] == WHITE;
        (0..self.width).all(|x| white(x, 0) && white(x, self.height - 1))
            && (0..self.height).all(|y| white(0, y) && white(self.width - 1, y))
    }
}

#[test]
fn curves_rise_to_the_right_and_nothing_is_clipped() {
    let points: Vec<(f64, f64)> = (0..9).map(|power| 4_f64.powi(power)).map(|x| (x, 1e5 * x)).collect();
    let long = "a title that is longer than everything that stands below it ".repeat(4);
    let plot = Plot { title: format!("{long}\nand a second line"), panels: vec![panel(points); 3] };
    let picture = Picture::of(&plot);
    assert!(picture.border_is_white(), "something reaches the edge of {} × {}", picture.width, picture.height);
    let lower = picture.extent(COLOURS[0]).unwrap();
    let axes = (2 * AXES.0 as usize, 2 * AXES.1 as usize);
    assert!(lower.1 - lower.0 > axes.0 && lower.3 - lower.2 > axes.1, "{lower:?}");
    assert!(picture.extent(COLOURS[1]).is_some() && picture.extent(COLOURS[2]).is_none());
}

#[test]
fn a_point_stands_where_its_numbers_say() {
    // The upper end of the axes is that of a curve along the diagonal; a single point is at the
    // middle of it.
    let mut only = panel(vec![(1.0, 10.0), (1e4, 1e5)]);
    let nowhere = [(0.0, 5.0), (-1.0, 5.0), (5.0, f64::NAN), (f64::INFINITY, 5.0)];
    only.curves[1].points = vec![(100.0, 1000.0)];
    only.curves[1].points.extend(nowhere);
    // Without an entry in the legend nothing else has its colour.
    only.curves[1].label = "CPU".into();
    let picture = Picture::of(&Plot { title: "middle".into(), panels: vec![only] });
    let inked = |place: usize| picture.pixels[3 * place + 2] < 200;
    let point = picture.extent(COLOURS[1]).unwrap();
    let middle = ((point.0 + point.1) / 2, (point.2 + point.3) / 2);
    let axes = (2 * AXES.0 as usize, 2 * AXES.1 as usize);
    // The vertical axis is the first column with ink from top to bottom, and the horizontal axis is
    // the last such row.
    let axes_left = (0..picture.width)
        .find(|x| (0..picture.height).filter(|y| inked(y * picture.width + x)).count() > axes.1)
        .unwrap();
    let axes_bottom = (0..picture.height)
        .rfind(|y| (0..picture.width).filter(|x| inked(y * picture.width + x)).count() > axes.0 * 9 / 10)
        .unwrap();
    assert!((axes_left + axes.0 / 2).abs_diff(middle.0) <= 2, "{axes_left} {middle:?}");
    assert!((axes_bottom - axes.1 / 2).abs_diff(middle.1) <= 2, "{axes_bottom} {middle:?}");
}

#[test]
fn a_plot_without_points_is_refused_and_so_is_a_file_that_exists() {
    let plot = |points| Plot { title: "empty".into(), panels: vec![panel(points)] };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.png");
    assert!(matches!(write_plot(&path, &plot(vec![(1.0, 0.0)]), false), Err(Error::Input(_))));
    assert!(!path.exists());
    write_plot(&path, &plot(vec![(1.0, 1.0)]), false).unwrap();
    let error = write_plot(&path, &plot(vec![(1.0, 1.0)]), false).unwrap_err().to_string();
    assert!(error.contains("already exists") && error.contains("option `force`"), "{error}");
    write_plot(&path, &plot(vec![(1.0, 2.0)]), true).unwrap();
}

#[test]
fn an_svg_file_has_every_text_and_every_point() {
    let points: Vec<(f64, f64)> = (0..5).map(|power| 10_f64.powi(power)).map(|x| (x, x * x)).collect();
    let mut panel = panel(points);
    panel.title = "a < b & c".into();
    panel.curves[1].style = Style::Dots;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    write_plot(&path, &Plot { title: "first\nsecond".into(), panels: vec![panel] }, false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    for wanted in ["first", "second", "a &lt; b &amp; c", "batch", "a second", "CPU", "GPU", "10 k"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    // Five discs, five dots, and two of each in the legend.
    assert_eq!(text.matches("<circle").count(), 14, "{text}");
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
}
