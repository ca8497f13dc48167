//! DICOM: the same pixels from every syntax, 8 bits as the standard shows them, and what is broken refused by name.

use std::fs;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use weakseg_data::{
    DataError, Limits, Plane, Stack, Tone, read_image, read_image_size, read_picture,
    read_stored_values, write_gray_png,
};

use crate::dicom_file::{
    BIG_ENDIAN, DicomFile, baseline_jpeg, deflate, lossless_jpeg, lossless_jpeg_of, rle, with_body,
};

fn on_disk<T>(bytes: &[u8], work: impl FnOnce(&std::path::Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    fs::write(&path, bytes).unwrap();
    work(&path)
}

fn values(file: &DicomFile) -> Vec<i32> {
    on_disk(&file.encode(), |path| {
        read_stored_values(path, &Limits::default(), None)
            .unwrap()
            .into_vec()
    })
}

fn shown(file: &DicomFile, tone: Tone) -> (Stack<u8>, Vec<String>) {
    on_disk(&file.encode(), |path| {
        let picture = read_picture(path, &Limits::default(), tone).unwrap();
        (picture.pixels, picture.notes)
    })
}

/// The 8 bits of a file that has nothing odd, but perhaps one grey value alone.
fn grey(file: &DicomFile) -> Vec<u8> {
    let (pixels, mut notes) = shown(file, Tone::Window);
    notes.retain(|note| note != "every pixel has the same colour");
    assert_eq!(notes, [""; 0]);
    pixels.into_vec()
}

fn refused(bytes: &[u8]) -> String {
    on_disk(bytes, |path| {
        let error = read_image(path, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("a.dcm: "), "{error}");
        assert_eq!(
            error.to_string(),
            read_stored_values(path, &Limits::default(), None)
                .unwrap_err()
                .to_string()
        );
        error.to_string()
    })
}

/// 12 bits with sign, 6×5.
fn signed() -> Vec<i32> {
    (0..30).map(|at| (at * 137 % 4096) - 2048).collect()
}

#[test]
fn every_syntax_gives_the_same_values() {
    let file = DicomFile::grey(6, 5, 12, &signed());
    for syntax in [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        BIG_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ] {
        assert_eq!(
            values(&file.clone().in_syntax(syntax)),
            signed(),
            "{syntax}"
        );
    }
    let words: Vec<u32> = signed()
        .iter()
        .map(|value| value.cast_unsigned() & 0xfff)
        .collect();
    let packed = file
        .clone()
        .fragments(uids::RLE_LOSSLESS, vec![rle(&words, 2)]);
    assert_eq!(values(&packed), signed());

    let unsigned: Vec<i32> = (0..30).map(|at| at * 2111 % 65536).collect();
    let file = DicomFile::grey(6, 5, 16, &unsigned);
    let words: Vec<u16> = unsigned.iter().map(|&value| value as u16).collect();
    let jpeg = lossless_jpeg(6, 5, 16, &words);
    for syntax in [uids::JPEG_LOSSLESS, uids::JPEG_LOSSLESS_SV1] {
        let whole = file.clone().fragments(syntax, vec![jpeg.clone()]);
        assert_eq!(values(&whole), unsigned);
        let (a, b) = jpeg.split_at(40);
        let parts = file.clone().fragments(syntax, vec![a.into(), b.into()]);
        assert_eq!(values(&parts), unsigned, "a frame in two fragments");
    }
    let bytes: Vec<i32> = (0..30).map(|at| at * 8).collect();
    let samples: Vec<u32> = bytes.iter().map(|&value| value as u32).collect();
    let packed = DicomFile::grey(6, 5, 8, &bytes);
    let packed = packed.fragments(uids::RLE_LOSSLESS, vec![rle(&samples, 1)]);
    assert_eq!(values(&packed), bytes);
}

#[test]
fn lossy_jpegs_are_read_as_outside_of_dicom() {
    let samples: Vec<u8> = (0..16 * 24).map(|at| (at * 5 % 256) as u8).collect();
    let jpeg = baseline_jpeg(16, 24, false, &samples);
    let mut file = DicomFile::grey(16, 24, 8, &[]);
    file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    let file = file.fragments(uids::JPEG_BASELINE8_BIT, vec![jpeg.clone()]);
    let plain = on_disk(&jpeg, |path| read_image(path, &Limits::default()).unwrap());
    for (a, b) in grey(&file).iter().zip(plain.as_slice()) {
        // Two decoders, which may round differently.
        assert!((255 - a).abs_diff(*b) <= 1, "{a} {b}");
    }
    let colours: Vec<u8> = (0..16 * 24)
        .flat_map(|at| [(at / 2) as u8, 255 - (at / 2) as u8, 40])
        .collect();
    let jpeg = baseline_jpeg(16, 24, true, &colours);
    let plain = on_disk(&jpeg, |path| read_image(path, &Limits::default()).unwrap());
    for photometric in ["YBR_FULL_422", "YBR_FULL", "RGB"] {
        let mut file = DicomFile::rgb(16, 24, &[]);
        file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        let file = file.fragments(uids::JPEG_BASELINE8_BIT, vec![jpeg.clone()]);
        let (pixels, notes) = shown(&file, Tone::Window);
        assert!(notes[0].contains("colour image"), "{notes:?}");
        for (a, b) in pixels.as_slice().iter().zip(plain.as_slice()) {
            assert!(a.abs_diff(*b) <= 4, "{photometric}: {a} {b}");
        }
    }
}

#[test]
fn eight_bits_are_those_of_a_png_twin() {
    let plane = Plane::from_fn(5, 7, |y, x| (y * 40 + x * 3) as u8);
    let folder = tempfile::tempdir().unwrap();
    let png = folder.path().join("a.png");
    write_gray_png(&png, &plane).unwrap();
    let twin = read_image(&png, &Limits::default()).unwrap();
    let numbers: Vec<i32> = plane.as_slice().iter().map(|&v| v.into()).collect();
    let mut file = DicomFile::grey(5, 7, 8, &numbers);
    for tone in [Tone::Window, Tone::Raw] {
        assert_eq!(shown(&file, tone), (twin.clone(), vec![]));
    }
    on_disk(&file.encode(), |path| {
        assert_eq!(read_image_size(path, &Limits::default()).unwrap(), (5, 7));
    });
    file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    let inverted = twin.map(|value| 255 - value);
    assert_eq!(shown(&file, Tone::Window).0, inverted);
    assert_eq!(
        shown(&file, Tone::Raw).0,
        twin,
        "as the published code has it"
    );
    let wide = DicomFile::grey(1, 2, 12, &[0, 256]);
    let error = on_disk(&wide.encode(), |path| {
        read_picture(path, &Limits::default(), Tone::Raw).unwrap_err()
    });
    assert!(error.to_string().contains("holds 256"), "{error}");
}

#[test]
fn a_negative_is_turned_round_once_whatever_shows_it() {
    let numbers: Vec<i32> = (0..100).map(|at| at * 40).collect();
    let mut positive = DicomFile::grey(10, 10, 12, &numbers);
    let change = |file: &mut DicomFile, window: bool, lut: bool| {
        if window {
            file.text(tags::WINDOW_CENTER, VR::DS, "2000");
            file.text(tags::WINDOW_WIDTH, VR::DS, "1000");
        }
        if lut {
            file.lut(tags::VOILUT_SEQUENCE, [2, 1000, 8], &[10, 250]);
        }
    };
    for (window, lut) in [(false, false), (true, false), (true, true)] {
        change(&mut positive, window, lut);
        let mut negative = positive.clone();
        negative.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
        for tone in [Tone::Window, Tone::Percentile] {
            let (a, b) = (shown(&positive, tone).0, shown(&negative, tone).0);
            assert_eq!(a.map(|value| 255 - value), b);
            assert!(a.as_slice()[99] > a.as_slice()[0]);
        }
    }
}

#[test]
fn bits_beside_the_stored_ones_are_dropped() {
    let clean = DicomFile::grey(6, 5, 12, &signed());
    let mut dirty = clean.clone();
    let words: Vec<u16> = signed()
        .iter()
        .map(|value| (value.cast_unsigned() & 0xfff) as u16 | 0x5000)
        .collect();
    dirty.pixels(&words);
    assert_eq!(values(&dirty), signed());
    assert_eq!(grey(&dirty), grey(&clean));
    let mut high = clean.clone();
    let words: Vec<u16> = words.iter().map(|word| word << 4 | 3).collect();
    high.pixels(&words);
    high.word(tags::HIGH_BIT, 15);
    assert_eq!(values(&high), signed());
}

#[test]
fn windows_follow_the_rescaled_values() {
    let mut file = DicomFile::grey(1, 5, 12, &[0, 1000, 1024, 1048, 4000]);
    file.text(tags::RESCALE_SLOPE, VR::DS, "2");
    file.text(tags::RESCALE_INTERCEPT, VR::DS, "-2048");
    // -2048, -48, 0, 48, 5952 in a window from -50 to 50.
    file.text(tags::WINDOW_CENTER, VR::DS, "0\\400");
    file.text(tags::WINDOW_WIDTH, VR::DS, "100\\800");
    file.text(tags::VOILUT_FUNCTION, VR::CS, "LINEAR_EXACT");
    assert_eq!(grey(&file), [0, 5, 128, 250, 255]);
    file.text(tags::RESCALE_SLOPE, VR::DS, "-2");
    file.text(tags::RESCALE_INTERCEPT, VR::DS, "2048");
    assert_eq!(grey(&file), [255, 250, 128, 5, 0]);
}

#[test]
fn tables_are_followed() {
    let mut file = DicomFile::grey(1, 5, 12, &[-2000, -1, 0, 1, 2000]);
    file.lut(
        tags::MODALITY_LUT_SEQUENCE,
        [3, 0xffff, 16],
        &[100, 500, 900],
    );
    // A table without a window: percentiles of what it gives.
    assert_eq!(grey(&file), [0, 0, 128, 255, 255]);
    file.word(tags::PIXEL_REPRESENTATION, 0);
    let mut file = DicomFile::grey(1, 4, 12, &[0, 99, 101, 4000]);
    file.lut(tags::VOILUT_SEQUENCE, [3, 99, 10], &[0, 511, 1023]);
    file.text(tags::WINDOW_CENTER, VR::DS, "1");
    file.text(tags::WINDOW_WIDTH, VR::DS, "1");
    assert_eq!(grey(&file), [0, 0, 255, 255], "before the window");
    // Entries of 8 bits, two in a word.
    let mut item = DicomFile::grey(1, 1, 8, &[0]);
    item.object = InMemDicomObject::new_empty();
    item.words(tags::LUT_DESCRIPTOR, VR::US, &[4, 98, 8]);
    item.words(tags::LUT_DATA, VR::OW, &[0x2010, 0x4030]);
    file.item(tags::VOILUT_SEQUENCE, item.object);
    assert_eq!(grey(&file), [0x10, 0x20, 0x40, 0x40]);
}

#[test]
fn the_first_input_of_a_window_table_has_the_sign_of_what_comes_in() {
    let ramp: Vec<u16> = (0..1024).map(|at| at / 4).collect();
    // Unsigned pixels below an intercept, and a descriptor that says it has a sign.
    let mut file = DicomFile::grey(1, 4, 12, &[0, 128, 256, 1023]);
    file.text(tags::RESCALE_SLOPE, VR::DS, "1");
    file.text(tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    let mut item = InMemDicomObject::new_empty();
    item.put(DataElement::new(
        tags::LUT_DESCRIPTOR,
        VR::SS,
        PrimitiveValue::I16([1024_i16, -1024, 8].into_iter().collect()),
    ));
    item.put(DataElement::new(
        tags::LUT_DATA,
        VR::OW,
        PrimitiveValue::U16(ramp.clone().into()),
    ));
    file.item(tags::VOILUT_SEQUENCE, item);
    assert_eq!(grey(&file), [0, 32, 64, 255]);
    // The same without the word for it.
    file.lut(
        tags::VOILUT_SEQUENCE,
        [1024, (-1024_i16).cast_unsigned(), 8],
        &ramp,
    );
    for syntax in [
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
    ] {
        assert_eq!(grey(&file.clone().in_syntax(syntax)), [0, 32, 64, 255]);
    }
    // Behind a Modality LUT there is none, whatever the pixels have.
    let mut file = DicomFile::grey(1, 4, 12, &[-2, -1, 0, 1]);
    file.lut(
        tags::MODALITY_LUT_SEQUENCE,
        [4, 0xfffe, 16],
        &[40_000, 40_128, 40_256, 41_023],
    );
    file.lut(tags::VOILUT_SEQUENCE, [1024, 40_000, 8], &ramp);
    for syntax in [
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
    ] {
        assert_eq!(grey(&file.clone().in_syntax(syntax)), [0, 32, 64, 255]);
    }
    // Numbers that only fit without a sign have none.
    let mut file = DicomFile::grey(1, 4, 16, &[40_000, 40_128, 40_256, 41_023]);
    file.text(tags::RESCALE_SLOPE, VR::DS, "1");
    file.text(tags::RESCALE_INTERCEPT, VR::DS, "-1");
    file.lut(tags::VOILUT_SEQUENCE, [1024, 39_999, 8], &ramp);
    assert_eq!(grey(&file), [0, 32, 64, 255]);
}

#[test]
fn a_table_of_fewer_bits_than_it_declares_is_not_black() {
    let mut file = DicomFile::grey(1, 4, 12, &[0, 1024, 2048, 4095]);
    let entries: Vec<u16> = (0..4096).collect();
    file.lut(tags::VOILUT_SEQUENCE, [4096, 0, 16], &entries);
    let (pixels, notes) = shown(&file, Tone::Window);
    assert_eq!(pixels.as_slice(), [0, 64, 128, 255]);
    assert!(
        notes.len() == 1 && notes[0].contains("16 bits") && notes[0].contains("as 12 bits"),
        "{notes:?}"
    );
    // One that fills its bits is taken by its word.
    file.lut(tags::VOILUT_SEQUENCE, [4096, 0, 12], &entries);
    assert_eq!(grey(&file), [0, 64, 128, 255]);
}

#[test]
fn percentiles_are_those_of_what_is_measured() {
    // Stored values in one order, their quantities in another: 3 → 0, 1 → 100, 2 → 200, 0 → 300.
    let numbers: Vec<i32> = (0..1000).map(|at| at % 4).collect();
    let mut file = DicomFile::grey(10, 100, 12, &numbers);
    file.lut(tags::MODALITY_LUT_SEQUENCE, [4, 0, 16], &[300, 100, 200, 0]);
    let (pixels, _) = shown(&file, Tone::Percentile);
    assert_eq!(pixels.as_slice()[..4], [255, 85, 170, 0]);
}

#[test]
fn eight_bits_are_scaled_too_where_a_window_cannot_be_used() {
    let numbers: Vec<i32> = (0..1000).map(|at| 100 + at % 50).collect();
    let mut file = DicomFile::grey(10, 100, 8, &numbers);
    assert_eq!(grey(&file)[..2], [100, 101]);
    file.text(tags::WINDOW_CENTER, VR::DS, "40");
    file.text(tags::WINDOW_WIDTH, VR::DS, "0");
    let (pixels, notes) = shown(&file, Tone::Window);
    assert_eq!((pixels.as_slice()[0], pixels.as_slice()[49]), (0, 255));
    assert!(notes[0].contains("scaled by its percentiles"), "{notes:?}");
}

#[test]
fn what_cannot_be_used_of_a_window_is_told() {
    let numbers: Vec<i32> = (0..1000).collect();
    let plain = DicomFile::grey(10, 100, 12, &numbers);
    let percentiles = grey(&plain);
    // Ranks 5 and 994 of 0..=999.
    assert_eq!((percentiles[5], percentiles[6]), (0, 0));
    assert_eq!(
        (percentiles[8], percentiles[994], percentiles[999]),
        (1, 255, 255)
    );
    let odd = |change: &dyn Fn(&mut DicomFile)| {
        let mut file = plain.clone();
        change(&mut file);
        let (pixels, notes) = shown(&file, Tone::Window);
        assert_eq!(pixels.into_vec(), percentiles);
        assert_eq!(notes.len(), 1, "{notes:?}");
        notes[0].clone()
    };
    let window = |centre: &'static str, width: &'static str| {
        move |file: &mut DicomFile| {
            file.text(tags::WINDOW_CENTER, VR::DS, centre);
            file.text(tags::WINDOW_WIDTH, VR::DS, width);
        }
    };
    assert!(odd(&window("40", "0")).contains("Window Width 0"));
    assert!(odd(&|file| file.text(tags::WINDOW_CENTER, VR::DS, "40")).contains("without"));
    assert!(odd(&window("forty", "80")).contains("no numbers"));
    let note = odd(&|file| file.lut(tags::VOILUT_SEQUENCE, [4, 0, 16], &[1, 2]));
    assert!(note.contains("fewer than the 4 entries"), "{note}");
    let note = odd(&|file| file.lut(tags::VOILUT_SEQUENCE, [1, 0, 0], &[1]));
    assert!(note.contains("0 bits"), "{note}");
}

#[test]
fn padding_and_constants_are_no_tones() {
    let mut numbers: Vec<i32> = (0..1000).collect();
    let percentiles = grey(&DicomFile::grey(10, 100, 12, &numbers));
    numbers.extend([-2000; 500]);
    let mut file = DicomFile::grey(15, 100, 12, &numbers);
    file.put(DataElement::new(
        tags::PIXEL_PADDING_VALUE,
        VR::SS,
        PrimitiveValue::from(-2000_i16),
    ));
    assert_eq!(grey(&file)[..1000], percentiles);
    assert_eq!(grey(&file)[1000], 0);
    assert_eq!(grey(&DicomFile::grey(1, 3, 12, &[7; 3])), [0; 3]);
}

#[test]
fn a_rescale_that_means_nothing_is_an_error() {
    let error = |slope: Option<&str>, intercept: Option<&str>| {
        let mut file = DicomFile::grey(1, 2, 12, &[0, 9]);
        if let Some(slope) = slope {
            file.text(tags::RESCALE_SLOPE, VR::DS, slope);
        }
        if let Some(intercept) = intercept {
            file.text(tags::RESCALE_INTERCEPT, VR::DS, intercept);
        }
        on_disk(&file.encode(), |path| {
            read_image(path, &Limits::default())
                .unwrap_err()
                .to_string()
        })
    };
    assert!(error(Some("0"), Some("1")).contains("Rescale Slope is 0"));
    assert!(error(Some("nan"), Some("1")).contains("Rescale Slope is `nan`"));
    let text = error(Some("1\\2"), Some("1"));
    assert!(
        text.contains("`1\\2`") && text.contains("Intercept is 1"),
        "{text}"
    );
    assert!(error(Some("1"), None).contains("Rescale Intercept is missing"));
    let text = error(Some("1e308"), Some("0"));
    assert!(
        text.contains("are not finite") || text.contains("not finite"),
        "{text}"
    );
}

#[test]
fn colours_come_as_rgb() {
    let pixels = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]];
    let interleaved: Vec<u8> = pixels.concat();
    let planes: Vec<u8> = (0..3).flat_map(|c| pixels.map(|p| p[c])).collect();
    let expected = Stack::new(3, 2, 2, planes.clone()).unwrap();
    let file = DicomFile::rgb(2, 2, &interleaved);
    assert_eq!(shown(&file, Tone::Window).0, expected);
    let mut planar = DicomFile::rgb(2, 2, &planes);
    planar.word(tags::PLANAR_CONFIGURATION, 1);
    assert_eq!(shown(&planar, Tone::Window).0, expected);
    let mut ybr = DicomFile::rgb(1, 2, &[150, 44, 21, 255, 128, 128]);
    ybr.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "YBR_FULL");
    assert_eq!(
        shown(&ybr, Tone::Window).0.as_slice(),
        [0, 255, 255, 255, 1, 255]
    );
    let mut palette = DicomFile::grey(1, 3, 8, &[0, 1, 9]);
    palette.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "PALETTE COLOR");
    for (channel, (descriptor, data)) in [
        (
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
        (
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
        (
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        palette.words(descriptor, VR::US, &[2, 0, 16]);
        palette.words(data, VR::OW, &[(channel as u16) << 8, 0xff00]);
    }
    assert_eq!(
        shown(&palette, Tone::Window).0.as_slice(),
        [0, 255, 255, 1, 255, 255, 2, 255, 255]
    );
    palette
        .object
        .remove_element(tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA);
    let error = on_disk(&palette.encode(), |path| {
        read_image(path, &Limits::default())
            .unwrap_err()
            .to_string()
    });
    assert!(
        error.contains("palette") && error.contains("(0028,1202)"),
        "{error}"
    );
}

#[test]
fn colours_of_a_lossless_jpeg_are_as_the_data_set_says() {
    let samples = [150, 44, 21, 255, 128, 128];
    let jpeg = lossless_jpeg_of(3, 1, 2, 8, &samples);
    for (photometric, expected) in [
        ("RGB", [150, 255, 44, 128, 21, 128]),
        ("YBR_FULL", [0, 255, 255, 255, 1, 255]),
    ] {
        let mut file = DicomFile::rgb(1, 2, &[]);
        file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        let file = file.fragments(uids::JPEG_LOSSLESS_SV1, vec![jpeg.clone()]);
        assert_eq!(
            shown(&file, Tone::Window).0.as_slice(),
            expected,
            "{photometric}"
        );
    }
}

#[test]
fn lossless_jpegs_of_every_number_of_bits_are_read() {
    for precision in 2..=16_u8 {
        let values: Vec<u16> = (0..30_u32)
            .map(|at| (at * 2111 % (1 << precision)) as u16)
            .collect();
        let numbers: Vec<i32> = values.iter().map(|&value| value.into()).collect();
        let file = DicomFile::grey(6, 5, precision.into(), &[]).fragments(
            uids::JPEG_LOSSLESS_SV1,
            vec![lossless_jpeg(6, 5, precision, &values)],
        );
        let read: Vec<i32> = on_disk(&file.encode(), |path| {
            read_stored_values(path, &Limits::default(), None)
                .unwrap()
                .into_vec()
        });
        assert_eq!(read, numbers, "{precision} bits");
    }
    // More bits than the data set says, and used ones.
    let packed = |values: &[u16]| {
        let file = DicomFile::grey(1, 2, 12, &[]);
        file.fragments(uids::JPEG_LOSSLESS, vec![lossless_jpeg(1, 2, 16, values)])
    };
    assert_eq!(values(&packed(&[7, 4095])), [7, 4095]);
    let text = refused(&packed(&[7, 4096]).encode());
    assert!(
        text.contains("16 bits") && text.contains("4096") && text.contains("12 bits"),
        "{text}"
    );
    let mut signed = packed(&[7, 0xfffe]);
    signed.word(tags::PIXEL_REPRESENTATION, 1);
    assert_eq!(values(&signed), [7, -2]);
}

#[test]
fn a_blank_rle_image_is_read() {
    let blank = vec![0; 512 * 512];
    let file = DicomFile::grey(512, 512, 16, &[]);
    let file = file.fragments(uids::RLE_LOSSLESS, vec![rle(&blank, 2)]);
    assert!(values(&file).iter().all(|&value| value == 0));
    let three: Vec<u8> = (0..12).collect();
    let planes: Vec<Vec<u32>> = (0..3)
        .map(|c| three.iter().skip(c).step_by(3).map(|&v| v.into()).collect())
        .collect();
    // Segments of a colour image: one of each colour.
    let mut frame = vec![0; 64];
    frame[0] = 3;
    for (at, plane) in planes.iter().enumerate() {
        let start = frame.len() as u32;
        frame[4 * at + 4..4 * at + 8].copy_from_slice(&start.to_le_bytes());
        frame.push(3);
        frame.extend(plane.iter().map(|&value| value as u8));
        frame.push(0x80);
    }
    let file = DicomFile::rgb(2, 2, &[]).fragments(uids::RLE_LOSSLESS, vec![frame]);
    let planes: Vec<u8> = planes.concat().iter().map(|&value| value as u8).collect();
    assert_eq!(shown(&file, Tone::Window).0.as_slice(), planes);
}

#[test]
fn what_is_not_read_is_named() {
    let whole = DicomFile::grey(2, 2, 12, &[0, 1, 2, 3]);
    let with = |change: &dyn Fn(&mut DicomFile)| {
        let mut file = whole.clone();
        change(&mut file);
        refused(&file.encode())
    };
    let frames = |count: &'static str| {
        move |file: &mut DicomFile| file.text(tags::NUMBER_OF_FRAMES, VR::IS, count)
    };
    assert!(with(&frames("2")).contains(
        "multi-frame image (2 frames), expected a single frame; name one with `--frame N`"
    ));
    assert!(with(&frames("1000000000")).contains("multi-frame"));
    assert!(with(&frames("x")).contains("Number of Frames"));
    for tag in [tags::ROWS, tags::COLUMNS] {
        let text = with(&|file| {
            file.object.remove_element(tag);
        });
        assert!(text.contains(&tag.to_string()), "{text}");
        assert!(with(&|file| file.word(tag, 0)).contains("is 0"));
        let text = with(&|file| {
            file.put(DataElement::new(tag, VR::UL, PrimitiveValue::from(2_u32)));
        });
        assert!(text.contains("stored as UL, expected US"), "{text}");
    }
    for bits in [1, 12, 32] {
        let text = with(&|file| file.word(tags::BITS_ALLOCATED, bits));
        assert!(
            text.contains(&format!("Bits Allocated is {bits}")),
            "{text}"
        );
    }
    assert!(with(&|file| file.word(tags::BITS_STORED, 17)).contains("do not fit"));
    assert!(with(&|file| file.word(tags::HIGH_BIT, 3)).contains("do not fit"));
    assert!(with(&|file| file.word(tags::PIXEL_REPRESENTATION, 2)).contains("expected 0 or 1"));
    assert!(with(&|file| file.word(tags::SAMPLES_PER_PIXEL, 3)).contains("does not go with"));
    let text = with(&|file| file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "HSV"));
    assert!(text.contains("`HSV`"), "{text}");
    let text = with(&|file| {
        file.object.remove_element(tags::PIXEL_DATA);
    });
    assert!(
        text.contains("no image") && text.contains("1.2.840.10008.5.1.4.1.1.1"),
        "{text}"
    );
    let text = with(&|file| file.pixels(&[1, 2, 3]));
    assert!(
        text.contains("has 6 bytes") && text.contains("need 8"),
        "{text}"
    );
    let huge = with(&|file| {
        file.word(tags::ROWS, 65535);
        file.word(tags::COLUMNS, 65535);
    });
    assert!(huge.contains("4294836225 pixels"), "{huge}");

    let packed = |syntax| refused(&whole.clone().fragments(syntax, vec![vec![0; 8]]).encode());
    let text = packed(uids::JPEGLS_LOSSLESS);
    assert!(
        text.contains("JPEG-LS") && text.contains("1.2.840.10008.1.2.4.80"),
        "{text}"
    );
    let text = packed(uids::JPEG2000_LOSSLESS);
    if cfg!(feature = "jpeg2000") {
        assert!(text.contains("no JPEG 2000 codestream"), "{text}");
    } else {
        assert!(text.contains("needs the feature `jpeg2000`"), "{text}");
    }
    assert!(packed(uids::JPEG_BASELINE8_BIT).contains("no JPEG"));
    assert!(packed(uids::RLE_LOSSLESS).contains("RLE"));
    let mut file = whole.encode();
    let at = file
        .windows(19)
        .position(|w| w == b"1.2.840.10008.1.2.1")
        .unwrap();
    file[at + 18] = b'9';
    assert!(refused(&file).contains("1.2.840.10008.1.2.9 is not known"));
}

#[test]
fn extra_pixels_are_told_and_files_without_preamble_read() {
    let mut file = DicomFile::grey(1, 3, 8, &[1, 2, 3]);
    assert_eq!(grey(&file), [1, 2, 3], "one byte of padding is no oddity");
    file.bytes(tags::PIXEL_DATA, VR::OB, &[1, 2, 3, 4, 5, 6]);
    let (pixels, notes) = shown(&file, Tone::Window);
    assert_eq!(pixels.as_slice(), [1, 2, 3]);
    assert!(notes[0].contains("3 bytes more"), "{notes:?}");

    let whole = DicomFile::grey(1, 3, 8, &[1, 2, 3]).encode();
    for start in [128, 132] {
        on_disk(&whole[start..], |path| {
            let image = read_image(path, &Limits::default()).unwrap();
            assert_eq!(image.as_slice(), [1, 2, 3]);
        });
    }
    let text = on_disk(b"hello", |path| {
        read_image(path, &Limits::default())
            .unwrap_err()
            .to_string()
    });
    assert!(
        text.contains("not a DICOM file: no `DICM` marker"),
        "{text}"
    );
}

#[test]
fn a_jpeg_of_another_size_is_refused() {
    let jpeg = baseline_jpeg(8, 16, false, &[100; 128]);
    for (height, width) in [(8, 8), (16, 16), (16, 8)] {
        let file = DicomFile::grey(height, width, 8, &[]);
        let text = refused(
            &file
                .fragments(uids::JPEG_BASELINE8_BIT, vec![jpeg.clone()])
                .encode(),
        );
        assert!(
            text.contains("is 8x16") && text.contains(&format!("{height}x{width}")),
            "{text}"
        );
    }
    let file = DicomFile::grey(8, 16, 12, &[]);
    let mut wide = jpeg.clone();
    let at = wide.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    wide[at + 1] = 0xc1;
    wide[at + 4] = 12;
    let text = refused(
        &file
            .fragments(uids::JPEG_EXTENDED12_BIT, vec![wide])
            .encode(),
    );
    assert!(
        text.contains("12 bits") && text.contains("process 4"),
        "{text}"
    );
}

#[test]
fn files_that_ask_for_more_than_they_hold_are_refused_at_once() {
    let element = |tag: [u8; 4], vr: &[u8; 2], length: u32| {
        let mut bytes = tag.to_vec();
        bytes.extend(vr);
        bytes.extend([0, 0]);
        bytes.extend(length.to_le_bytes());
        bytes
    };
    let explicit = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    let lying = element([0x09, 0, 0x10, 0], b"OB", 0xffff_fff0);
    let text = refused(&with_body(explicit, &lying));
    assert!(
        text.contains("4294967280 bytes") && text.contains("cut off"),
        "{text}"
    );
    // The group of file meta information has its own reader.
    let mut meta = DicomFile::grey(1, 1, 8, &[0]).encode();
    let at = meta.windows(6).position(|w| w == [2, 0, 2, 0, b'U', b'I']);
    let at = at.unwrap();
    meta[at + 4..at + 12].copy_from_slice(b"OB\0\0\xf0\xff\xff\xff");
    let text = refused(&meta);
    assert!(text.contains("4294967280 bytes"), "{text}");
    let sequence = element([0x40, 0, 0x75, 0x02], b"SQ", u32::MAX);
    let item = [0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
    let nested = [sequence, item.to_vec()].concat().repeat(50_000);
    assert!(refused(&with_body(explicit, &nested)).contains("nests sequences"));

    let zeros = element([0x09, 0, 0x10, 0], b"OB", 1 << 24);
    let bomb = [zeros, vec![0; 1 << 24]].concat();
    let bytes = with_body(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &bomb);
    let tight = Limits {
        max_bytes: 1 << 20,
        ..Limits::default()
    };
    let error = on_disk(&bytes, |path| read_image(path, &tight).unwrap_err());
    assert!(
        matches!(error, DataError::TooLarge { unit: "bytes", .. }),
        "{error}"
    );
    assert!(bytes.len() < 1 << 20);
    // What no image needs is not unpacked, whatever a file may have.
    let tight = Limits {
        max_pixels: 1 << 10,
        ..Limits::default()
    };
    let zeros = element([0x09, 0, 0x10, 0], b"OB", 1 << 25);
    let bomb = deflate(&[zeros, vec![0; 1 << 25]].concat());
    let bytes = [
        with_body(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &[]),
        bomb,
    ];
    let empty = deflate(&[]).len();
    let bytes = [&bytes[0][..bytes[0].len() - empty], &bytes[1]].concat();
    let error = on_disk(&bytes, |path| read_image(path, &tight).unwrap_err());
    assert!(
        error.to_string().contains("the limit is 16780288"),
        "{error}"
    );
}

#[test]
fn data_sets_of_too_many_parts_are_refused() {
    let explicit = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    let deflated = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    let short = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
        let length = (value.len() as u16).to_le_bytes();
        [&tag[..], vr, &length, value].concat()
    };
    let long = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
        let length = (value.len() as u32).to_le_bytes();
        [&tag[..], vr, &[0, 0], &length, value].concat()
    };
    let item = |content: &[u8]| {
        let length = (content.len() as u32).to_le_bytes();
        [&[0xfe, 0xff, 0, 0xe0][..], &length, content].concat()
    };
    let items = item(&short([0x40, 0, 1, 0], b"SH", b"")).repeat(60_000);
    let strings = vec![b'\\'; 200_000];
    for body in [
        long([0x40, 0, 0x75, 2], b"SQ", &items),
        long([0x40, 0, 0x75, 2], b"UC", &strings),
    ] {
        for syntax in [explicit, deflated] {
            let text = refused(&with_body(syntax, &body));
            assert!(
                text.contains("more than 100000 elements, items and strings"),
                "{text}"
            );
        }
    }
    // Long values of few strings are no parts.
    let mut file = DicomFile::grey(1, 3, 8, &[1, 2, 3]);
    file.text(Tag(0x0008, 0x2111), VR::ST, &"\\".repeat(60_000));
    file.bytes(Tag(0x0009, 0x1010), VR::OB, &vec![b'\\'; 200_000]);
    file.text(Tag(0x0009, 0x0010), VR::LO, "OTHER");
    assert_eq!(grey(&file), [1, 2, 3]);
}

#[test]
fn errors_are_those_of_the_file() {
    // An element of unknown kind and undefined length.
    let file = DicomFile::grey(1, 4, 8, &[1, 2, 3, 4]);
    let mut body = vec![
        0x09, 0, 0x10, 0x10, b'U', b'N', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    body.extend([0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    body.extend([0x40, 0, 1, 0, 2, 0, 0, 0, b'a', b'b']);
    body.extend([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0]);
    body.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    let text = refused(&with_body(uids::EXPLICIT_VR_LITTLE_ENDIAN, &body));
    assert!(
        text.contains("(0009,1010)")
            && text.contains("undefined length")
            && !text.contains("cut off"),
        "{text}"
    );
    // Words that are none.
    let whole = DicomFile::grey(3, 3, 8, &[0; 9]).encode();
    let at = whole
        .windows(6)
        .position(|w| w == [0xe0, 0x7f, 0x10, 0, b'O', b'B'])
        .unwrap();
    let mut odd = whole[..at + 12 + 9].to_vec();
    odd[at + 5] = b'W';
    odd[at + 8] = 9;
    let text = refused(&odd);
    assert!(
        text.contains("has 9 bytes") && text.contains("words of 16 bits"),
        "{text}"
    );
    // Zeros behind the pixels are padding of somebody's; those of a black image are none.
    assert_eq!(grey(&DicomFile::grey(2, 2, 12, &[0; 4])), [0; 4]);
    for kind in [
        file.clone(),
        file.clone()
            .fragments(uids::RLE_LOSSLESS, vec![rle(&[1, 2, 3, 4], 1)]),
    ] {
        let mut padded = kind.encode();
        padded.extend([0; 6]);
        let picture = on_disk(&padded, |path| {
            read_picture(path, &Limits::default(), Tone::Window).unwrap()
        });
        assert_eq!(picture.pixels.as_slice(), [1, 2, 3, 4]);
        assert!(
            picture.notes[0].contains("6 bytes of zeros"),
            "{:?}",
            picture.notes
        );
    }
}

#[test]
fn a_long_tail_of_zeros_with_something_behind_is_refused_at_once() {
    let file = DicomFile::grey(2, 2, 8, &[1, 2, 3, 4]).in_syntax(uids::IMPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = file.encode();
    bytes.extend(vec![0; 16 << 20]);
    bytes.push(1);
    let begun = std::time::Instant::now();
    let text = refused(&bytes);
    assert!(text.contains("more than 100000 elements"), "{text}");
    // 100,000 empty elements; one look at all that is left for each of them would be 10^12 bytes.
    assert!(
        begun.elapsed().as_secs() < 30,
        "it took {:?}",
        begun.elapsed()
    );
}

#[test]
fn a_jpeg_that_lacks_a_part_is_an_error_whatever_marker_ends_it() {
    let samples: Vec<u8> = (0..256 * 256)
        .map(|at: u32| (at * at / 977 % 256) as u8)
        .collect();
    let words: Vec<u16> = samples
        .iter()
        .map(|&sample| u16::from(sample) << 4)
        .collect();
    for (syntax, jpeg, bits) in [
        (
            uids::JPEG_BASELINE8_BIT,
            baseline_jpeg(256, 256, false, &samples),
            8,
        ),
        (
            uids::JPEG_LOSSLESS_SV1,
            lossless_jpeg(256, 256, 12, &words),
            12,
        ),
    ] {
        let file = DicomFile::grey(256, 256, bits, &[]);
        let [first, second] = [1, 2].map(|third| jpeg.len() * third / 6 * 2);
        let parts = [&jpeg[..first], &jpeg[first..second], &jpeg[second..]];
        let whole = file
            .clone()
            .fragments(syntax, parts.map(<[u8]>::to_vec).to_vec());
        on_disk(&whole.encode(), |path| {
            read_image(path, &Limits::default()).unwrap()
        });
        let without = file
            .clone()
            .fragments(syntax, vec![parts[0].into(), parts[2].into()]);
        let text = refused(&without.encode());
        assert!(text.contains("the JPEG is"), "{text}");
        for cut in [jpeg.len() / 2, jpeg.len() * 9 / 10] {
            let ended = [&jpeg[..cut], &[0xff, 0xd9]].concat();
            let text = refused(&file.clone().fragments(syntax, vec![ended]).encode());
            assert!(text.contains("coded data end after"), "{text}");
        }
    }
}

/// A small file of each kind of packing.
fn kinds() -> Vec<Vec<u8>> {
    let numbers: Vec<i32> = (0..64).map(|at| at * 60).collect();
    let words: Vec<u16> = numbers.iter().map(|&value| value as u16).collect();
    let samples: Vec<u32> = numbers.iter().map(|&value| value as u32).collect();
    let mut windowed = DicomFile::grey(8, 8, 12, &numbers);
    windowed.text(tags::RESCALE_SLOPE, VR::DS, "2");
    windowed.text(tags::RESCALE_INTERCEPT, VR::DS, "1");
    windowed.lut(tags::VOILUT_SEQUENCE, [3, 99, 10], &[0, 511, 1023]);
    let jpeg = baseline_jpeg(8, 8, false, &[77; 64]);
    let file = DicomFile::grey(8, 8, 12, &numbers);
    [
        windowed.clone(),
        windowed.in_syntax(BIG_ENDIAN),
        file.clone()
            .in_syntax(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
        file.clone()
            .fragments(uids::RLE_LOSSLESS, vec![rle(&samples, 2)]),
        file.fragments(uids::JPEG_LOSSLESS, vec![lossless_jpeg(8, 8, 12, &words)]),
        DicomFile::grey(8, 8, 8, &[]).fragments(uids::JPEG_BASELINE8_BIT, vec![jpeg]),
    ]
    .iter()
    .map(DicomFile::encode)
    .collect()
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    for (kind, bytes) in kinds().iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        let whole = read_image(&path, &Limits::default()).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            // What may be missing without harm is the delimiter after the last fragment.
            match read_image(&path, &Limits::default()) {
                Err(_) => {}
                Ok(image) => {
                    assert!(
                        length + 9 > bytes.len(),
                        "kind {kind} to {length} of {}",
                        bytes.len()
                    );
                    assert_eq!(image, whole);
                }
            }
        }
    }
}

#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    for bytes in kinds() {
        for at in 128..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            fs::write(&path, &damaged).unwrap();
            if let Err(error) = read_image(&path, &Limits::default()) {
                // What a decoder of somebody else's falls over is caught, and is seen here.
                assert!(
                    !error.to_string().contains("the decoder gave up"),
                    "byte {at} of {}: {error}",
                    damaged.len()
                );
            }
        }
    }
}
