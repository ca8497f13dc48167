//! `weakseg data rle`: masks from run lengths, and back.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use weakseg::progress::Progress;
use weakseg_data::{Limits, RunTable, TableForm, counted, write_gray_png, write_run_table};

use super::output_path::check_new;
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// `weakseg data rle …`
#[derive(Debug, Subcommand)]
pub enum Rle {
    ToMasks(ToMasks),
    ToCsv(ToCsv),
}

/// How run lengths are written; all of them go column by column.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Pairs of a gap since the run before and a length, written behind a blank as in the published table; -1 for an
    /// empty mask.
    Siim,
    /// Pairs of a first pixel, counted from 1, and a length.
    Kaggle,
    /// COCO's compressed strings.
    Coco,
}

impl From<Format> for TableForm {
    fn from(format: Format) -> Self {
        match format {
            Format::Siim => Self::Siim,
            Format::Kaggle => Self::Kaggle,
            Format::Coco => Self::Coco,
        }
    }
}

/// Height and width of every mask.
#[derive(Debug, Clone, Copy)]
struct Size {
    height: usize,
    width: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once('x').and_then(|(height, width)| {
            let (height, width) = (height.parse().ok()?, width.parse().ok()?);
            (height > 0 && width > 0).then_some(Self { height, width })
        });
        sides.ok_or_else(|| "expected HEIGHTxWIDTH in pixels, such as 1024x1024".to_owned())
    }
}

/// Write the masks of a table of run lengths as pictures, 0 and 255, DIR/ID.png.
///
/// The table has the columns ImageId and EncodedPixels; several rows of one image are laid over each other.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg data rle to-masks train-rle.csv --out masks")]
pub struct ToMasks {
    /// The table.
    #[arg(value_name = "CSV")]
    table: PathBuf,
    /// The folder to write; must hold none of these masks yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How the run lengths are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "siim")]
    format: Format,
    /// Height and width of the images.
    #[arg(long, value_name = "HxW", default_value = "1024x1024")]
    size: Size,
}

/// Write a folder of masks as a table of run lengths, ImageId and EncodedPixels, one row a mask.
///
/// Masks are PNGs of 0 and 255, or of 0 and 1, as `weakseg predict` writes them for one finding: DIR/ID.png. Folders
/// inside DIR, such as the overlays of predict, are not looked into.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg data rle to-csv masks --out submission.csv")]
pub struct ToCsv {
    /// The folder of masks.
    #[arg(value_name = "DIR")]
    masks: PathBuf,
    /// The table to write; must not exist yet.
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
    /// How the run lengths are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "siim")]
    format: Format,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    out: String,
    masks: usize,
}

impl Rle {
    /// Decodes or encodes.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data rle")?;
        let (out, masks) = match self {
            Self::ToMasks(work) => (&work.out, work.decode(settings)?),
            Self::ToCsv(work) => {
                check_new(&work.out)?;
                let form = work.format.into();
                (&work.out, write_run_table(&work.masks, &work.out, form)?)
            }
        };
        if settings.json {
            output::json(&Outcome {
                out: out.display().to_string(),
                masks,
            })?;
        } else {
            output::line(format!("{}: {}", out.display(), counted(masks, "mask")))?;
        }
        Ok(Done::Whole)
    }
}

impl ToMasks {
    fn decode(&self, settings: &Settings) -> Result<usize> {
        let Size { height, width } = self.size;
        let limit = Limits::default().max_pixels;
        if (height as u64).saturating_mul(width as u64) > limit {
            return usage(format!(
                "--size {height}x{width}: expected at most {limit} pixels (--max-pixels)"
            ));
        }
        let table = RunTable::read(&self.table, self.format.into())?;
        let count = table.ids().len();
        if count == 0 {
            bail!(
                "{}: the table has no rows, so there are no masks; name the table that has them",
                self.table.display()
            );
        }
        let file = |id: &str| self.out.join(format!("{id}.png"));
        if let Some(there) = table.ids().map(file).find(|path| path.exists()) {
            return usage(format!(
                "--out {}: {} is there already, and may be drawn; give another folder, or remove the masks of this table there \
                 first",
                self.out.display(),
                there.display()
            ));
        }
        let mut broken = 0;
        for id in table.ids() {
            match table.mask(id, height, width) {
                Ok(None) => {}
                Ok(Some(mask)) => {
                    let path = file(id);
                    write_gray_png(&path, &mask.map(|&value| 255 * value))?;
                }
                Err(error) => {
                    broken += 1;
                    settings.ui.warn(&error.to_string());
                }
            }
        }
        if broken > 0 {
            bail!(
                "no mask that can be decoded for {broken} of {count} images; the others were written"
            );
        }
        Ok(count)
    }
}
