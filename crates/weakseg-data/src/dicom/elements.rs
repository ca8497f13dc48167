//! [`Elements`]: a data set that is to be written.

use std::io;
use std::path::Path;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::{DataSetSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::data_set::chain;
use crate::{DataError, atomic};

/// Elements of a data set or of an item in it; each has the kind that the standard's dictionary gives its tag.
pub(super) struct Elements(InMemDicomObject);

impl Elements {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    fn with(mut self, tag: Tag, value: PrimitiveValue) -> Self {
        let entry = StandardDataDictionary.by_tag(tag);
        let vr = entry.map_or(VR::UN, |entry| entry.vr().relaxed());
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// A text, also of several values with backslashes between, also a number as text.
    pub(super) fn text(self, tag: Tag, value: &str) -> Self {
        let value = match value {
            "" => PrimitiveValue::Empty,
            text => text.into(),
        };
        self.with(tag, value)
    }

    /// A whole number of 16 bits.
    pub(super) fn word(self, tag: Tag, value: u16) -> Self {
        self.with(tag, value.into())
    }

    /// A whole number of 32 bits.
    pub(super) fn long(self, tag: Tag, value: u32) -> Self {
        self.with(tag, value.into())
    }

    /// The tag of another element.
    pub(super) fn pointer(self, tag: Tag, to: Tag) -> Self {
        self.with(tag, PrimitiveValue::Tags([to].as_slice().into()))
    }

    /// Bytes.
    pub(super) fn bytes(mut self, tag: Tag, value: Vec<u8>) -> Self {
        let value = PrimitiveValue::U8(value.into());
        self.0.put(DataElement::new(tag, VR::OB, value));
        self
    }

    /// A sequence.
    pub(super) fn items(mut self, tag: Tag, items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<_> = items.into_iter().map(|item| item.0).collect();
        let sequence = Value::Sequence(DataSetSequence::from(items));
        self.0.put(DataElement::new(tag, VR::SQ, sequence));
        self
    }

    /// A sequence of one code: value, scheme and meaning (DICOM PS3.3, 8.8).
    pub(super) fn code(self, tag: Tag, [value, scheme, meaning]: [&str; 3]) -> Self {
        let code = Self::new()
            .text(tags::CODE_VALUE, value)
            .text(tags::CODING_SCHEME_DESIGNATOR, scheme)
            .text(tags::CODE_MEANING, meaning);
        self.items(tag, [code])
    }

    /// Writes a file of these elements, Explicit VR Little Endian.
    pub(super) fn write(self, path: &Path) -> Result<(), DataError> {
        let failed = |error: &dyn std::error::Error| io::Error::other(chain(error));
        atomic::write_with(path, |file| {
            let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
            let object = self.0.with_meta(meta).map_err(|error| failed(&error))?;
            object.write_all(file).map_err(|error| failed(&error))
        })
    }
}
