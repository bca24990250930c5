//! Pictures are written, decoded again and checked pixel by pixel.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use nalgebra::DMatrix;

use super::super::images::Row;
use super::super::legend::short;
use super::*;

struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn read(path: &Path) -> Self {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Picture { width: info.width as usize, height: info.height as usize, pixels }
    }

    fn at(&self, x: usize, y: usize) -> Colour {
        let start = 3 * (y * self.width + x);
        [self.pixels[start], self.pixels[start + 1], self.pixels[start + 2]]
    }

    /// Whether a column of pixels is white above the legend.
    fn column_is_white(&self, x: usize) -> bool {
        (0..self.height - MARGIN - line(SMALL_SIZE)).all(|y| self.at(x, y) == WHITE)
    }
}

fn drawn(grid: &Grid) -> (Picture, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    write_grid(&path, grid, false).unwrap();
    let labels: Vec<Text> = grid.rows.iter().map(|row| Text::new(&row.label, LABEL_SIZE, &path).unwrap()).collect();
    let title = grid.title.as_deref().map(|title| Text::new(title, TITLE_SIZE, &path).unwrap());
    let layout = Layout::new(grid, &labels, title.as_ref(), &Legend::new(grid, &path).unwrap()).unwrap();
    (Picture::read(&path), layout)
}

/// Two images of 2 × 3 in the first row, one in the second.
fn small() -> Grid {
    let first = vec![0.0, 0.25, 1.0, -3.0, f64::NAN, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    Grid {
        title: None,
        captions: Vec::new(),
        rows: vec![
            Row { label: "truth".into(), images: DMatrix::from_vec(6, 2, first) },
            Row { label: "recovered".into(), images: DMatrix::from_element(6, 1, f64::NAN) },
        ],
        height: 2,
        width: 3,
        white: None,
        black: None,
    }
}

/// The middle of a pixel of an image.
fn middle(layout: &Layout, column: usize, row: usize, x: usize, y: usize) -> (usize, usize) {
    let corner = layout.corner(column, row);
    (corner.0 + x * layout.factor + layout.factor / 2, corner.1 + y * layout.factor + layout.factor / 2)
}

#[test]
fn pixels_stand_where_they_belong() {
    let (picture, layout) = drawn(&small());
    assert!((1000..=1600).contains(&picture.width), "{}", picture.width);
    let expected = [[[0; 3], [64; 3], [255; 3]], [[0; 3], UNOBSERVED, [128; 3]]];
    for (y, line) in expected.iter().enumerate() {
        for (x, colour) in line.iter().enumerate() {
            let (column, row) = middle(&layout, 0, 0, x, y);
            assert_eq!(picture.at(column, row), *colour, "pixel {x}, {y}");
            // The whole square has the colour, to its corners.
            let half = layout.factor / 2;
            assert_eq!(picture.at(column - half, row - half), *colour);
        }
    }
    // No answer: crossed out; no image: white.
    let (corner, cell) = (layout.corner(0, 1), layout.cell);
    assert_eq!(picture.at(corner.0 + cell.0 / 2, corner.1 + cell.1 / 2), NO_ANSWER_CROSS);
    assert_eq!(picture.at(corner.0 + cell.0 / 2, corner.1 + 3), NO_ANSWER);
    let (x, y) = middle(&layout, 1, 1, 1, 1);
    assert_eq!(picture.at(x, y), WHITE);
}

#[test]
fn labels_are_whole() {
    let mut grid = small();
    grid.rows[1].label = "a rather long label, gradient descent (ÅÉ, ε = 1e−6)".into();
    let (picture, layout) = drawn(&grid);
    // Ink from the margin on, none in the margin, and white between the label and the images.
    assert!((0..MARGIN).all(|x| (0..picture.height).all(|y| picture.at(x, y) == WHITE)));
    assert!((MARGIN..MARGIN + 3).any(|x| !picture.column_is_white(x)));
    let gap = layout.images.0 - MARGIN..layout.images.0 - 1;
    assert!(gap.clone().all(|x| picture.column_is_white(x)));
    assert!(!picture.column_is_white(gap.start - 1));
}

#[test]
fn a_title_and_captions_take_room_of_their_own() {
    let mut grid = small();
    grid.title = Some("A title that is longer than the images below it would be without it".repeat(2));
    grid.captions = vec!["first".into(), "a caption that is longer than the images are wide, by far".repeat(3)];
    let (picture, layout) = drawn(&grid);
    assert!(layout.images.1 >= MARGIN + line(TITLE_SIZE) + line(SMALL_SIZE));
    let ink = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        rows.flat_map(|y| columns.clone().map(move |x| (x, y))).any(|(x, y)| picture.at(x, y) != WHITE)
    };
    let captions = layout.images.1 - line(SMALL_SIZE)..layout.images.1 - 2;
    assert!(ink(captions.clone(), layout.corner(0, 0).0..layout.corner(0, 0).0 + layout.cell.0));
    assert!(ink(captions, layout.corner(1, 0).0..layout.corner(1, 0).0 + layout.cell.0));
    assert!(ink(MARGIN..MARGIN + line(TITLE_SIZE), MARGIN..picture.width));
    assert!((picture.width - MARGIN..picture.width).all(|x| picture.column_is_white(x)));
    assert!(!ink(0..MARGIN / 2, 0..picture.width));
}

#[test]
fn white_is_shared_by_all_rows() {
    let mut grid = small();
    let value = |grid: &mut Grid, largest: f64| {
        grid.rows[0].images.fill(0.0);
        grid.rows[0].images[0] = largest;
        grid.range().1
    };
    assert_eq!(value(&mut grid, 0.9), 1.0);
    assert_eq!(value(&mut grid, 1.5), 1.5);
    assert_eq!(value(&mut grid, 0.05), 0.05);
    assert_eq!(value(&mut grid, -1.0), 1.0);
    assert_eq!(value(&mut grid, f64::INFINITY), 1.0);
    grid.rows[1].images.fill(2.0);
    assert_eq!(value(&mut grid, 0.9), 2.0);
    // One bright pixel among a hundred does not count.
    grid.rows[1].images = DMatrix::from_element(6, 17, 0.75);
    assert_eq!(value(&mut grid, 50.0), 1.0);
    assert_eq!((shade(f64::INFINITY, (0.0, 1.0)), shade(f64::NEG_INFINITY, (0.0, 1.0))), (255, 0));
    assert_eq!(
        [1.0, 1.0234, 0.05, 123.4, 1e-7, 2e9].map(short),
        ["1", "1.02", "0.05", "123", "1.00e-7", "2.00e9"].map(String::from)
    );
}

#[test]
fn a_caption_stands_above_its_whole_group() {
    let mut grid = small();
    grid.rows[0].images = DMatrix::from_element(6, 6, 0.5);
    let captions = |captions: [&str; 6]| captions.map(str::to_owned).to_vec();
    grid.captions = captions(["a", "b", "c", "d", "e", "f"]);
    let (_, apart) = drawn(&grid);
    assert_eq!(apart.corner(3, 0).0 - apart.corner(2, 0).0, apart.cell.0 + GAP);
    assert_eq!(apart.caption_width(&grid, 2), apart.cell.0);
    grid.captions = captions(["a group whose name is far longer than an image is wide", "", "", "another", "", ""]);
    let (picture, layout) = drawn(&grid);
    assert_eq!(layout.corner(2, 0).0 - layout.corner(1, 0).0, layout.cell.0 + GAP);
    assert_eq!(layout.corner(3, 0).0 - layout.corner(2, 0).0, layout.cell.0 + GAP + GROUP_GAP);
    let end = layout.corner(2, 0).0 + layout.cell.0;
    assert_eq!(layout.caption_width(&grid, 0), end - layout.corner(0, 0).0);
    // Ink above the first and the third column, none between the groups.
    let line = layout.images.1 - line(SMALL_SIZE)..layout.images.1 - 2;
    let ink = |mut columns: std::ops::Range<usize>| columns.any(|x| line.clone().any(|y| picture.at(x, y) != WHITE));
    assert!(ink(layout.corner(0, 0).0..layout.corner(1, 0).0) && ink(layout.corner(2, 0).0..end));
    assert!(!ink(end..layout.corner(3, 0).0));
}

#[test]
fn a_given_white_is_kept() {
    let mut grid = small();
    grid.rows[0].images.fill(5.0);
    assert_eq!((grid.range().1, Grid { white: Some(2.0), ..grid.clone() }.range().1), (5.0, 2.0));
    let (picture, layout) = drawn(&Grid { white: Some(10.0), ..grid });
    let (x, y) = middle(&layout, 1, 0, 1, 1);
    assert_eq!(picture.at(x, y), [128; 3]);
}

/// Decodes base64 by another algorithm than the encoder's.
fn decoded(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits: String = text.trim_end_matches('=').bytes().map(|letter| format!("{:06b}", value(letter))).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

#[test]
fn an_svg_file_has_text_as_text_and_every_pixel() {
    let mut grid = small();
    grid.title = Some("a < b & \u{1}".into());
    grid.captions = vec!["first".into(), "second".into()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.SVG");
    write_grid(&path, &grid, false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{text}");
    // Every element is closed, or is a text on a line of its own.
    for element in text.lines().skip(1).filter(|line| *line != "</svg>") {
        assert!(element.ends_with("/>") || element.starts_with("<text ") && element.ends_with("</text>"), "{element}");
        assert_eq!(element.matches('"').count() % 2, 0, "{element}");
    }
    for wanted in ["a &lt; b &amp; \u{fffd}", ">truth<", ">recovered<", ">first<", ">second<", ">not observed<"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    // Two images; the third is a cross, and so is its mark in the legend.
    let images: Vec<&str> = text.split("base64,").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert_eq!((images.len(), text.matches("<path").count()), (2, 2));
    let png = folder.path().join("image.png");
    std::fs::write(&png, decoded(images[0])).unwrap();
    let picture = Picture::read(&png);
    assert_eq!((picture.width, picture.height), (3, 2));
    let expected = [[0; 3], [64; 3], [255; 3], [0; 3], UNOBSERVED, [128; 3]];
    assert_eq!(picture.pixels, expected.concat());
    assert!(write_grid(&path, &grid, false).unwrap_err().to_string().contains("already exists"));
}

#[test]
fn bad_input_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    let refused = |grid: &Grid, part: &str| {
        let error = write_grid(&path, grid, false).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(part), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    };
    refused(&Grid { height: 3, ..small() }, "the row `truth`: found images of 6 pixels; expected 9, for 3 × 3");
    refused(&Grid { height: 0, ..small() }, "at least 1");
    refused(&Grid { height: usize::MAX, ..small() }, "at least 1");
    refused(&Grid { rows: Vec::new(), ..small() }, "no image");
    let many = Row { label: "many".into(), images: DMatrix::zeros(6, 10_000) };
    refused(&Grid { rows: vec![many], ..small() }, "draw fewer images");

    write_grid(&path, &small(), false).unwrap();
    assert!(write_grid(&path, &small(), false).unwrap_err().to_string().contains("already exists"));
    write_grid(&path, &small(), true).unwrap();
}

/// Three channels are red, green and blue; −1 is black where images reach from −1 to 1.
#[test]
fn colours_and_the_range_of_tanh() {
    let image = |numbers: &[f64]| DMatrix::from_column_slice(numbers.len(), 1, numbers);
    let of = |numbers: &[f64]| Grid {
        title: None,
        captions: Vec::new(),
        rows: vec![Row { label: String::new(), images: image(numbers) }],
        height: 1,
        width: 2,
        white: None,
        black: None,
    };
    // Two pixels: red 1 and 0, green 0 and 0.5, blue 0 and 1.
    let colours = of(&[1.0, 0.0, 0.0, 0.5, 0.0, 1.0]);
    assert_eq!(colours.range(), (0.0, 1.0));
    let (picture, layout) = drawn(&colours);
    let corner = layout.corner(0, 0);
    let pixel = |x: usize| picture.at(corner.0 + x * layout.factor, corner.1);
    assert_eq!((pixel(0), pixel(1)), ([255, 0, 0], [0, 128, 255]));
    let of_tanh = of(&[-1.0, 1.0]);
    assert_eq!(of_tanh.range(), (-1.0, 1.0));
    assert_eq!(of(&[-1.0, 3.0]).range().0, 0.0);
    assert!(check(&of(&[0.0; 4])).is_err() && check(&of(&[0.0; 6])).is_ok());
}
