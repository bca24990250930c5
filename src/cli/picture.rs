//! `unrelu picture`: draws images side by side.

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;

use crate::error::{Error, Result};
use crate::formats::npy::NpyReader;
use crate::formats::output::refuse_overlap;
use crate::formats::streams;
use crate::pictures::{Grid, Row, check_picture, write_grid};

use super::image_size::ImageSize;
use super::value_range::ValueRange;
use super::{CommandLine, Outcome};

/// Draw images in a grid, one row per file, as a PNG or SVG
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  unrelu picture truth.npy observations.npy recovered.npy -o grid.png --image 28x28 \
                  --labels truth,observed,recovered\n\n\
                  NaN pixels are red. All rows share one black and one white level, which are printed below the images. Black is \
                  0, or -1 where the images reach from -1 to 1, as a tanh makes them, unless --range says otherwise. \
                  `unrelu generate` makes images from codes."
)]
pub struct Args {
    /// Files of images, each a .npy of shape (count, height · width), or (count, 3, height, width)
    /// for colours: red, green, blue; - is standard input
    #[arg(required = true, value_name = "ROWS.npy")]
    rows: Vec<PathBuf>,

    /// Output file for the picture: SVG if its name ends in .svg, otherwise PNG
    #[arg(short, long, value_name = "GRID.png")]
    output: PathBuf,

    /// Height and width of one image, or 3xHxW for three channels [default: square]
    #[arg(long, value_name = "HxW")]
    image: Option<ImageSize>,

    /// The values that are drawn as black and as white, such as -1..1 for images of a tanh
    /// [default: 0 or -1, and the brightest values or 1]
    #[arg(long, value_name = "LOW..HIGH", allow_hyphen_values = true)]
    range: Option<ValueRange>,

    /// Labels of the rows [default: the names of the files]
    #[arg(long, value_delimiter = ',', value_name = "TEXT,…")]
    labels: Option<Vec<String>>,

    /// Number of images per row
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,

    /// Index of the first image, counted from 0
    #[arg(long, value_name = "I", default_value_t = 0)]
    first: usize,

    /// Title above the images [default: which images are shown]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// Replace an existing picture
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    if let Some(labels) = args.labels.as_ref().filter(|labels| labels.len() != args.rows.len()) {
        let expected = format!("{}, one for each file", args.rows.len());
        return Err(Error::option("--labels", format!("{} labels", labels.len()), expected));
    }
    let inputs: Vec<(&str, &Path)> = args.rows.iter().map(|path| ("an input", path.as_path())).collect();
    refuse_overlap("-o", &args.output, &inputs)?;
    let standard: Vec<(&str, Option<&Path>)> = args.rows.iter().map(|path| ("ROWS", Some(path.as_path()))).collect();
    streams::refuse_twice(streams::INPUT, &standard)?;
    check_place(&args.output, args.force)?;
    let mut rows = Vec::with_capacity(args.rows.len());
    let mut size = None;
    for (place, path) in args.rows.iter().enumerate() {
        let mut reader = NpyReader::open_stream(path)?;
        let of_all = match (size, args.image) {
            (Some(size), _) | (None, Some(size)) => size,
            (None, None) => ImageSize::of_shape(&shape_of_row(&reader), None)?,
        };
        let of_colours = ImageSize { channels: 3, ..of_all };
        let of_row = if of_colours.entries() == Some(reader.width()) { of_colours } else { of_all };
        let row_entries = of_row.entries().unwrap_or(usize::MAX);
        let fits = reader.fit(row_entries, &format!("as images of {of_all} have, or three times as many for colours"));
        if fits.is_err() && size.is_none() {
            ImageSize::of(reader.width(), args.image)?;
        }
        fits?;
        size = Some(of_all);
        let name =
            streams::input_name(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let label = args.labels.as_ref().map_or(name, |labels| labels[place].clone());
        rows.push(Row { label, images: some_rows(reader, args.first, args.count as usize)? });
    }
    let Some(ImageSize { height, width, .. }) = size else {
        return Err(Error::option("ROWS.npy", "nothing", "at least one file"));
    };
    let columns = rows.iter().map(|row| row.images.ncols()).max().unwrap_or(0);
    let captions = (args.first..args.first + columns).map(|index| index.to_string()).collect();
    let title =
        Some(args.title.unwrap_or_else(|| format!("{}, one row per file", range_of("Image", args.first, columns))));
    let black = args.range.map(|range| range.low);
    let white = args.range.map(|range| range.high);
    write_grid(&args.output, &Grid { title, captions, rows, height, width, black, white }, args.force)?;
    Ok(Outcome::Complete)
}

/// The shape of one image in a file of shape (count, channels, height, width); otherwise the number
/// of entries of a row.
fn shape_of_row(reader: &NpyReader) -> Vec<usize> {
    match reader.shape() {
        [_, row @ ..] if row.len() == 3 => row.to_vec(),
        _ => vec![reader.width()],
    }
}

/// The indices that are drawn, in words: `observations 0 to 11`.
pub fn range_of(what: &str, first: usize, count: usize) -> String {
    match count {
        0 | 1 => format!("{what} {first}"),
        _ => format!("{what}s {first} to {}", first + count - 1),
    }
}

/// Up to `count` rows of a file, from `first` on, one per column.
pub fn some_rows(mut reader: NpyReader, first: usize, count: usize) -> Result<DMatrix<f64>> {
    if first >= reader.count() {
        return Err(Error::option(
            "--first",
            first.to_string(),
            format!("less than {}, the rows of {}", reader.count(), reader.path().display()),
        ));
    }
    reader.skip_to(first)?;
    let rows = reader.read_batch(count)?.unwrap_or_else(|| DMatrix::zeros(reader.width(), 0));
    // Whether a stream fits its header is known at its end.
    while reader.is_stream() && reader.read_batch(1024)?.is_some() {}
    Ok(rows)
}

/// Checks before the work starts that the picture can be written at its end.
pub fn check_place(path: &Path, force: bool) -> Result<()> {
    check_picture(path, force)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        let (found, fix) =
            ("is in a folder that does not exist".into(), "make the folder first, or name another".into());
        return Err(Error::Output { path: path.to_owned(), found, fix });
    }
    Ok(())
}
