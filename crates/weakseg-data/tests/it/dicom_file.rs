//! DICOM files made on the spot, whole or broken on purpose.

use std::io::Write;

use dicom_core::value::{DataSetSequence, PixelFragmentSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::mem::InMemElement;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

/// Explicit VR Big Endian.
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// A grey or colour image in a data set, to change before it is written.
#[derive(Clone)]
pub struct DicomFile {
    pub object: InMemDicomObject,
    pub syntax: &'static str,
}

impl DicomFile {
    /// MONOCHROME2, Explicit VR Little Endian, 16 bits allocated, or 8 if `stored` is up to 8.
    pub fn grey(height: u16, width: u16, stored: u16, values: &[i32]) -> Self {
        let allocated = if stored > 8 { 16 } else { 8 };
        let mut file = Self {
            object: InMemDicomObject::new_empty(),
            syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
        };
        file.text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1");
        file.text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4");
        file.text(tags::PATIENT_ID, VR::LO, "p1");
        file.word(tags::SAMPLES_PER_PIXEL, 1);
        file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        file.word(tags::ROWS, height);
        file.word(tags::COLUMNS, width);
        file.word(tags::BITS_ALLOCATED, allocated);
        file.word(tags::BITS_STORED, stored);
        file.word(tags::HIGH_BIT, stored - 1);
        let signed = values.iter().any(|&value| value < 0);
        file.word(tags::PIXEL_REPRESENTATION, signed.into());
        let mask = (1_u32 << stored) - 1;
        let words: Vec<u16> = values
            .iter()
            .map(|value| (value.cast_unsigned() & mask) as u16)
            .collect();
        file.pixels(&words);
        file
    }

    /// RGB of 8 bits, interleaved.
    pub fn rgb(height: u16, width: u16, values: &[u8]) -> Self {
        let mut file = Self::grey(height, width, 8, &[]);
        file.word(tags::SAMPLES_PER_PIXEL, 3);
        file.word(tags::PLANAR_CONFIGURATION, 0);
        file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        file.bytes(tags::PIXEL_DATA, VR::OB, values);
        file
    }

    /// The same in another transfer syntax, pixels as they are.
    pub fn in_syntax(mut self, syntax: &'static str) -> Self {
        self.syntax = syntax;
        self
    }

    pub fn put(&mut self, element: InMemElement) {
        self.object.put(element);
    }

    pub fn word(&mut self, tag: Tag, value: u16) {
        self.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }

    pub fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        self.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }

    pub fn bytes(&mut self, tag: Tag, vr: VR, value: &[u8]) {
        let value = PrimitiveValue::U8(value.to_vec().into());
        self.put(DataElement::new(tag, vr, value));
    }

    pub fn words(&mut self, tag: Tag, vr: VR, values: &[u16]) {
        let value = PrimitiveValue::U16(values.to_vec().into());
        self.put(DataElement::new(tag, vr, value));
    }

    /// Native pixels, in as many bits as the data set says.
    pub fn pixels(&mut self, words: &[u16]) {
        let allocated = self.object.get(tags::BITS_ALLOCATED).expect("was put");
        if allocated.to_int::<u16>().expect("a number") == 8 {
            let bytes: Vec<u8> = words.iter().map(|&word| word as u8).collect();
            self.bytes(tags::PIXEL_DATA, VR::OB, &bytes);
        } else {
            self.words(tags::PIXEL_DATA, VR::OW, words);
        }
    }

    /// Packed pixels: one frame in these fragments.
    pub fn fragments(self, syntax: &'static str, fragments: Vec<Vec<u8>>) -> Self {
        self.packed(syntax, Vec::new(), fragments)
    }

    /// Packed pixels with an offset table.
    pub fn packed(
        mut self,
        syntax: &'static str,
        offsets: Vec<u32>,
        fragments: Vec<Vec<u8>>,
    ) -> Self {
        let even = fragments.into_iter().map(|mut bytes| {
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            bytes
        });
        let sequence: PixelFragmentSequence<Vec<u8>> =
            PixelFragmentSequence::new(offsets, even.collect::<Vec<_>>());
        self.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OB,
            Value::PixelSequence(sequence),
        ));
        self.in_syntax(syntax)
    }

    /// A sequence of one item.
    pub fn item(&mut self, tag: Tag, item: InMemDicomObject) {
        let sequence = DataSetSequence::from(vec![item]);
        self.put(DataElement::new(tag, VR::SQ, Value::Sequence(sequence)));
    }

    /// A LUT in a sequence.
    pub fn lut(&mut self, tag: Tag, descriptor: [u16; 3], entries: &[u16]) {
        let mut item = Self {
            object: InMemDicomObject::new_empty(),
            syntax: self.syntax,
        };
        item.words(tags::LUT_DESCRIPTOR, VR::US, &descriptor);
        item.words(tags::LUT_DATA, VR::OW, entries);
        self.item(tag, item.object);
    }

    /// The file's bytes; the preamble is 128 bytes and the marker.
    pub fn encode(&self) -> Vec<u8> {
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(self.syntax)
            .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.1")
            .media_storage_sop_instance_uid("1.2.3.4")
            .build()
            .expect("complete");
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        meta.write(&mut bytes).expect("to memory");
        let deflated = self.syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
        let plain = if deflated {
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        } else {
            self.syntax
        };
        let syntax = TransferSyntaxRegistry.get(plain).expect("known");
        let mut body = Vec::new();
        self.object
            .write_dataset_with_ts(&mut body, syntax)
            .expect("to memory");
        bytes.extend(if deflated { deflate(&body) } else { body });
        bytes
    }
}

/// A file of a body that was encoded by hand, in Explicit VR Little Endian or deflated.
pub fn with_body(syntax: &'static str, body: &[u8]) -> Vec<u8> {
    let empty = DicomFile {
        object: InMemDicomObject::new_empty(),
        syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
    };
    let deflated = syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    let mut bytes = DicomFile { syntax, ..empty }.encode();
    if deflated {
        // What an empty data set was deflated to.
        bytes.truncate(bytes.len() - deflate(&[]).len());
    }
    bytes.extend(if deflated {
        deflate(body)
    } else {
        body.to_vec()
    });
    bytes
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("to memory");
    encoder.finish().expect("to memory")
}

/// One RLE frame of samples of `width` bytes: byte planes from the highest, runs where bytes repeat.
pub fn rle(samples: &[u32], width: usize) -> Vec<u8> {
    let mut header = vec![width as u32];
    let mut body = Vec::new();
    for plane in (0..width).rev() {
        header.push(64 + body.len() as u32);
        let bytes: Vec<u8> = samples
            .iter()
            .map(|sample| (sample >> (8 * plane)) as u8)
            .collect();
        for run in bytes.chunk_by(|a, b| a == b) {
            for part in run.chunks(128) {
                match part {
                    [one] => body.extend([0, *one]),
                    _ => body.extend([(257 - part.len()) as u8, part[0]]),
                }
            }
        }
        if body.len() % 2 == 1 {
            body.push(0x80);
        }
    }
    header.resize(16, 0);
    let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(body);
    bytes
}

/// A lossless JPEG (process 14, first-order prediction) of one component.
pub fn lossless_jpeg(height: u16, width: u16, precision: u8, values: &[u16]) -> Vec<u8> {
    lossless_jpeg_of(1, height, width, precision, values)
}

/// The same of several components, interleaved.
pub fn lossless_jpeg_of(
    components: u8,
    height: u16,
    width: u16,
    precision: u8,
    values: &[u16],
) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xc3, 0, 8 + 3 * components, precision];
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.push(components);
    for component in 1..=components {
        bytes.extend([component, 0x11, 0]);
    }
    // One Huffman table: the 17 categories have codes of 5 bits, in order.
    bytes.extend([0xff, 0xc4, 0, 2 + 1 + 16 + 17, 0]);
    bytes.extend([0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(0..17);
    bytes.extend([0xff, 0xda, 0, 6 + 2 * components, components]);
    for component in 1..=components {
        bytes.extend([component, 0]);
    }
    bytes.extend([1, 0, 0]);
    let (mut held, mut count) = (0_u64, 0);
    let mut put = |value: u64, bits: u32, bytes: &mut Vec<u8>| {
        held = held << bits | value;
        count += bits;
        while count >= 8 {
            count -= 8;
            let byte = (held >> count) as u8;
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
        }
        held &= (1 << count) - 1;
    };
    let step = usize::from(components);
    let width = usize::from(width) * step;
    for (at, &value) in values.iter().enumerate() {
        let predicted = if at < step {
            1 << (precision - 1)
        } else if at % width < step {
            values[at - width]
        } else {
            values[at - step]
        };
        let difference = i32::from(value.wrapping_sub(predicted).cast_signed());
        let category = 32 - difference.unsigned_abs().leading_zeros();
        put(u64::from(category), 5, &mut bytes);
        if category > 0 && category < 16 {
            let extra = if difference < 0 {
                difference - 1
            } else {
                difference
            };
            let bits = u64::from(extra.cast_unsigned() & ((1 << category) - 1));
            put(bits, category, &mut bytes);
        }
    }
    put(0x7f, 7, &mut bytes);
    bytes.extend([0xff, 0xd9]);
    bytes
}

/// A baseline JPEG.
pub fn baseline_jpeg(height: u16, width: u16, colour: bool, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let kind = if colour {
        image::ExtendedColorType::Rgb8
    } else {
        image::ExtendedColorType::L8
    };
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95)
        .encode(samples, width.into(), height.into(), kind)
        .expect("to memory");
    bytes
}
