//! [`Origin`]: what files that are made from an image say of it.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use sha2::{Digest, Sha256};

use super::data_set::{self, DataSet, is_dicom};
use super::elements::Elements;
use super::uid::uid;
use crate::contain::contained;
use crate::{DataError, Limits};

/// The date and time of what is made of an image that has none: the type must have them, and those of now would give
/// other bytes under the same UID.
const NO_MOMENT: [&str; 2] = ["19700101", "000000"];

/// Elements of patient and study that must be there, with a value or without (DICOM PS3.3 C.7.1.1, C.7.2.1).
const KNOWN_OR_EMPTY: [Tag; 9] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::STUDY_ID,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
];

/// Those, and some of the series and the image, that are repeated where they have a value.
const IF_KNOWN: [Tag; 9] = [
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_AGE,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::STUDY_DESCRIPTION,
    tags::LATERALITY,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
];

/// Where the date and the time of what is made are taken from, the first that has a date.
const MOMENTS: [[Tag; 2]; 4] = [
    [tags::CONTENT_DATE, tags::CONTENT_TIME],
    [tags::ACQUISITION_DATE, tags::ACQUISITION_TIME],
    [tags::SERIES_DATE, tags::SERIES_TIME],
    [tags::STUDY_DATE, tags::STUDY_TIME],
];

/// An image from which files are made: whose it is, and how they refer to it.
#[derive(Clone, Debug)]
pub struct Origin {
    pub(super) path: PathBuf,
    /// The elements of patient and study that it has.
    texts: Vec<(Tag, String)>,
    /// What it is told apart from others by: its SOP Instance UID, or the digest of its file.
    key: Vec<u8>,
    study: Option<String>,
    /// Date and time.
    moment: [String; 2],
    pub(super) reference: Option<Reference>,
}

/// How a DICOM image is referred to.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) class: String,
    pub(super) instance: String,
    pub(super) series: Option<String>,
    /// The frame, if the file has several.
    pub(super) frame: Option<NonZeroU32>,
}

impl Origin {
    /// Reads what an image file says of itself: a DICOM file, of which `frame` is looked at, or any other.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] for a damaged DICOM file, [`DataError::TooLarge`], [`DataError::Io`].
    pub fn read(
        path: &Path,
        limits: &Limits,
        frame: Option<NonZeroU32>,
    ) -> Result<Self, DataError> {
        let bytes = limits.read(path)?;
        contained(path, || {
            if is_dicom(&bytes) {
                let object = data_set::read(path, &bytes, limits, &mut Vec::new())?;
                Ok(Self::of(path, &bytes, &object, frame))
            } else {
                Ok(Self {
                    path: path.to_owned(),
                    texts: Vec::new(),
                    key: Sha256::digest(&bytes).to_vec(),
                    study: None,
                    moment: NO_MOMENT.map(String::from),
                    reference: None,
                })
            }
        })
    }

    fn of(path: &Path, bytes: &[u8], object: &DataSet, frame: Option<NonZeroU32>) -> Self {
        let known = |tag: Tag| text(object, tag);
        let known_uid = |tag: Tag| known(tag).filter(|text| is_uid(text));
        let meta = object.meta();
        let of_meta = |uid: &str| {
            let uid = uid.trim_end_matches(['\0', ' ']);
            (!uid.is_empty()).then(|| uid.to_owned())
        };
        let class =
            known(tags::SOP_CLASS_UID).or_else(|| of_meta(meta.media_storage_sop_class_uid()));
        let instance = known(tags::SOP_INSTANCE_UID)
            .or_else(|| of_meta(meta.media_storage_sop_instance_uid()))
            .filter(|uid| is_uid(uid));
        let several = known(tags::NUMBER_OF_FRAMES).is_some_and(|number| number != "1");
        let key = match &instance {
            Some(instance) => instance.clone().into_bytes(),
            None => Sha256::digest(bytes).to_vec(),
        };
        let moment = MOMENTS.into_iter().find_map(|[date, time]| {
            let midnight = || "000000".to_owned();
            Some([known(date)?, known(time).unwrap_or_else(midnight)])
        });
        let repeated = KNOWN_OR_EMPTY.into_iter().chain(IF_KNOWN);
        Self {
            path: path.to_owned(),
            texts: repeated
                .filter_map(|tag| Some((tag, known(tag)?)))
                .collect(),
            key,
            study: known_uid(tags::STUDY_INSTANCE_UID),
            moment: moment.unwrap_or_else(|| NO_MOMENT.map(String::from)),
            reference: class.zip(instance).map(|(class, instance)| Reference {
                class,
                instance,
                series: known_uid(tags::SERIES_INSTANCE_UID),
                frame: frame.filter(|_| several),
            }),
        }
    }

    /// Whether it belongs to a study that is known.
    pub(super) fn has_study(&self) -> bool {
        self.study.is_some()
    }

    /// The value of a repeated element.
    pub(super) fn known(&self, tag: Tag) -> Option<&str> {
        let found = self.texts.iter().find(|(known, _)| *known == tag);
        found.map(|(_, text)| text.as_str())
    }

    /// The elements that every file of a kind made from it begins with: patient, study, a series of its own, equipment,
    /// and the UIDs that go with its `content`.
    ///
    /// Departs from DICOM PS3.3 C.7.6.16, whose content date is the moment of computing: because the same input would
    /// then give other bytes under the same UID. It is the image's own.
    pub(super) fn elements(&self, class: &str, content: &[u8]) -> Elements {
        let frame = self.reference.as_ref().and_then(|image| image.frame);
        let frame = frame.map_or(0, NonZeroU32::get).to_le_bytes();
        let instance = uid(&[
            class.as_bytes(),
            VERSION.as_bytes(),
            &self.key,
            &frame,
            content,
        ]);
        let series = uid(&[b"series", instance.as_bytes()]);
        let study = match &self.study {
            Some(study) => study.clone(),
            None => uid(&[b"study", &self.key]),
        };
        let mut elements = Elements::new()
            .text(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
            .text(tags::SOP_CLASS_UID, class)
            .text(tags::SOP_INSTANCE_UID, &instance)
            .text(tags::STUDY_INSTANCE_UID, &study)
            .text(tags::SERIES_INSTANCE_UID, &series)
            .text(tags::SERIES_NUMBER, "1")
            .text(tags::INSTANCE_NUMBER, "1")
            .text(tags::CONTENT_DATE, &self.moment[0])
            .text(tags::CONTENT_TIME, &self.moment[1])
            .text(tags::MANUFACTURER, NAME)
            .text(tags::MANUFACTURER_MODEL_NAME, NAME)
            .text(tags::DEVICE_SERIAL_NUMBER, "1")
            .text(tags::SOFTWARE_VERSIONS, VERSION)
            .text(tags::PATIENT_ORIENTATION, "");
        for tag in KNOWN_OR_EMPTY {
            elements = elements.text(tag, self.known(tag).unwrap_or_default());
        }
        for tag in IF_KNOWN {
            if let Some(text) = self.known(tag) {
                elements = elements.text(tag, text);
            }
        }
        elements
    }
}

/// The program's name, in files that it makes.
pub(super) const NAME: &str = "weakseg";

/// Its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Reference {
    /// The image as an item of a sequence that names instances.
    pub(super) fn item(&self) -> Elements {
        let item = Elements::new()
            .text(tags::REFERENCED_SOP_CLASS_UID, &self.class)
            .text(tags::REFERENCED_SOP_INSTANCE_UID, &self.instance);
        match self.frame {
            Some(frame) => item.text(tags::REFERENCED_FRAME_NUMBER, &frame.to_string()),
            None => item,
        }
    }

    /// The image as an item of a Source Image Sequence, with its pixels in their places.
    pub(super) fn source(&self) -> Elements {
        const PROCESSED: [&str; 3] = [
            "121322",
            "DCM",
            "Source image for image processing operation",
        ];
        self.item()
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES")
            .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, PROCESSED)
    }
}

/// Whether a text can be a UID (DICOM PS3.5 9.1): in a file that is made no other may stand.
fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit() || c == b'.')
}

/// The text of an element; none if it has no value.
///
/// Where a text changes its character set on the way (ISO 2022: East Asian names), what stands behind the change is not
/// decoded, and in a file of UTF-8 it would be noise. Of a name those ways to write it stay that have no such change,
/// as a rule the Latin one; any other such text is left out.
fn text(object: &DataSet, tag: Tag) -> Option<String> {
    const ESCAPE: char = '\x1b';
    let element = object.get(tag)?;
    let text = element.to_str().ok()?;
    let text = match text.contains(ESCAPE) {
        false => text.into_owned(),
        true if element.vr() == VR::PN => {
            let ways = text
                .split('=')
                .map(|way| if way.contains(ESCAPE) { "" } else { way });
            ways.collect::<Vec<_>>()
                .join("=")
                .trim_end_matches('=')
                .to_owned()
        }
        true => return None,
    };
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}
