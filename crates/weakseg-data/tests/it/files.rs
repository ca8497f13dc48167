//! Picture files: what other programs save is read as they meant it, and what is broken is refused whole.

use std::fs;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType};
use weakseg_data::{
    DataError, Limits, Plane, Stack, Tone, View, decode_picture, encode_png, read_image,
    read_image_size, read_index_png, read_picture, read_stored_values, write_gray_png,
    write_index_png, write_rgb_png,
};

fn oracle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(name)
}

fn read(path: &Path) -> Result<Stack<u8>, DataError> {
    read_image(path, &Limits::default())
}

/// Channel `c` of the picture that `tests/oracle/pictures.py` saves.
fn ramp(c: usize) -> Plane<u8> {
    Plane::from_fn(8, 10, |y, x| {
        let value = ((y * 10 + x) * 3 % 256) as u8;
        [value, 255 - value, value / 2][c]
    })
}

fn write_png(path: &Path, size: [u32; 2], color: ColorType, depth: BitDepth, samples: &[u8]) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), size[1], size[0]);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 200, 100, 50]);
        encoder.set_trns(vec![0, 128]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
}

#[test]
fn stored_values_have_all_their_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let stored = || read_stored_values(&path, &Limits::default(), None).unwrap();
    let bytes = [0x01, 0x02, 0xff, 0xfe];
    write_png(
        &path,
        [1, 2],
        ColorType::Grayscale,
        BitDepth::Sixteen,
        &bytes,
    );
    assert_eq!(stored().as_slice(), [0x0102, 0xfffe]);
    // The first pixel in the highest bits.
    write_png(
        &path,
        [1, 3],
        ColorType::Grayscale,
        BitDepth::Two,
        &[0b01_11_10_00],
    );
    assert_eq!(stored().as_slice(), [1, 3, 2]);
    write_png(&path, [1, 2], ColorType::Indexed, BitDepth::Eight, &[1, 0]);
    assert_eq!(stored().as_slice(), [1, 0]);
    write_png(
        &path,
        [1, 2],
        ColorType::Rgba,
        BitDepth::Eight,
        &[1, 2, 3, 9, 4, 5, 6, 9],
    );
    let colour = stored();
    assert_eq!(
        (colour.channels(), colour.height(), colour.width()),
        (3, 1, 2)
    );
    assert_eq!(colour.as_slice(), [1, 4, 2, 5, 3, 6]);
    let grey = read_stored_values(&oracle("gray.jpg"), &Limits::default(), None).unwrap();
    let seen = read(&oracle("gray.jpg")).unwrap();
    assert_eq!(grey, seen.map(|&value| i32::from(value)));
}

#[test]
fn the_shape_of_a_mask_is_not_in_its_transparency() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let read = || read_index_png(&path, &Limits::default());
    let grey = |alpha: u8| [1, 255, 0, alpha];
    let (kind, eight) = (ColorType::GrayscaleAlpha, BitDepth::Eight);
    write_png(&path, [1, 2], kind, eight, &grey(255));
    assert_eq!(read().unwrap().as_slice(), [1, 0]);
    write_png(&path, [1, 2], kind, eight, &grey(254));
    let told = read().unwrap_err().to_string();
    assert!(told.contains("row 0, column 1"), "{told}");
    let colour = [1, 1, 1, 0, 0, 0, 0, 255];
    write_png(&path, [2, 1], ColorType::Rgba, eight, &colour);
    let told = read().unwrap_err().to_string();
    assert!(told.contains("row 0, column 0"), "{told}");
    let wide = [0, 1, 255, 255, 0, 0, 255, 254];
    write_png(&path, [1, 2], kind, BitDepth::Sixteen, &wide);
    let told = read().unwrap_err().to_string();
    assert!(told.contains("row 0, column 1"), "{told}");
}

#[test]
fn pictures_come_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let colour = Stack::from_planes(&[ramp(0), ramp(1), ramp(2)]).unwrap();
    write_rgb_png(&path, &colour).unwrap();
    assert_eq!(read(&path).unwrap(), colour);
    assert_eq!(read_image_size(&path, &Limits::default()).unwrap(), (8, 10));
    write_gray_png(&path, &ramp(0)).unwrap();
    assert_eq!(read(&path).unwrap(), ramp(0).into_stack());
    let classes = Plane::from_fn(16, 16, |y, x| (y * 16 + x) as u8);
    write_index_png(&path, &classes).unwrap();
    assert_eq!(read_index_png(&path, &Limits::default()).unwrap(), classes);
    let coloured = read(&path).unwrap();
    assert_eq!([0, 1, 2].map(|c| coloured.plane(c)[15]), [192, 128, 128]);
    assert!(write_rgb_png(&path, &Stack::filled(2, 1, 1, 0)).is_err());
    assert_eq!(read_index_png(&path, &Limits::default()).unwrap(), classes);
}

#[test]
fn sixteen_bits_are_scaled_and_transparency_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let wide: Vec<u8> = [0_u16, 128, 129, 257, 32768, 65535]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    write_png(
        &path,
        [2, 3],
        ColorType::Grayscale,
        BitDepth::Sixteen,
        &wide,
    );
    assert_eq!(read(&path).unwrap().as_slice(), [0, 0, 1, 1, 128, 255]);
    // Twelve bits in sixteen: dark, and told; by percentiles all greys are used.
    let twelve: Vec<u8> = (0_u16..6).flat_map(|v| (v * 819).to_be_bytes()).collect();
    write_png(
        &path,
        [2, 3],
        ColorType::Grayscale,
        BitDepth::Sixteen,
        &twelve,
    );
    let picture = |tone: Tone| read_picture(&path, &Limits::default(), tone).unwrap();
    let dark = picture(Tone::Window);
    assert_eq!(dark.pixels.as_slice(), [0, 3, 6, 10, 13, 16]);
    assert!(
        dark.notes[0].contains("end at 4095 of 65535, so that 17 of 256"),
        "{:?}",
        dark.notes
    );
    let shown = picture(Tone::Percentile);
    assert_eq!(shown.pixels.as_slice(), [0, 51, 102, 153, 204, 255]);
    assert!(shown.notes.is_empty());
    let alpha: Vec<u8> = [300_u16, 9, 60_000, 9]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    write_png(
        &path,
        [1, 2],
        ColorType::GrayscaleAlpha,
        BitDepth::Sixteen,
        &alpha,
    );
    assert_eq!(read(&path).unwrap().as_slice(), [1, 233]);
    write_png(
        &path,
        [1, 2],
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &[10, 0, 20, 255],
    );
    assert_eq!(
        read(&path).unwrap(),
        Stack::new(1, 1, 2, vec![10, 20]).unwrap()
    );
    write_png(
        &path,
        [1, 2],
        ColorType::Rgba,
        BitDepth::Eight,
        &[1, 2, 3, 0, 4, 5, 6, 9],
    );
    assert_eq!(
        read(&path).unwrap(),
        Stack::new(3, 1, 2, vec![1, 4, 2, 5, 3, 6]).unwrap()
    );
    write_png(&path, [1, 2], ColorType::Indexed, BitDepth::Eight, &[1, 0]);
    assert_eq!(
        read(&path).unwrap(),
        Stack::new(3, 1, 2, vec![200, 0, 100, 0, 50, 0]).unwrap()
    );
    write_png(
        &path,
        [1, 9],
        ColorType::Grayscale,
        BitDepth::One,
        &[0b1010_0000, 0b1000_0000],
    );
    assert_eq!(
        read(&path).unwrap().as_slice(),
        [255, 0, 255, 0, 0, 0, 0, 0, 255]
    );
}

#[test]
fn what_is_not_used_of_a_picture_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let notes = |path: &Path| {
        read_picture(path, &Limits::default(), Tone::default())
            .unwrap()
            .notes
    };
    write_png(
        &path,
        [1, 1],
        ColorType::Rgba,
        BitDepth::Eight,
        &[1, 2, 3, 0],
    );
    assert!(
        notes(&path)[0].contains("transparency"),
        "{:?}",
        notes(&path)
    );
    write_png(&path, [1, 1], ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
    assert_eq!(notes(&path), [""; 0]);
    let (one, other) = ([9; 6], [9, 9, 9, 9, 9, 8]);
    for (pixels, told) in [(one, true), (other, false)] {
        write_png(&path, [1, 2], ColorType::Rgb, BitDepth::Eight, &pixels);
        let constant = ["every pixel has the same colour"];
        assert_eq!(notes(&path) == constant, told, "{pixels:?}");
    }
    assert!(notes(&oracle("exif_rotated.jpg"))[0].contains("EXIF"));
    assert_eq!(notes(&oracle("rgb.jpg")), [""; 0]);
}

#[test]
fn jpegs_are_read_by_kind() {
    let near = |image: &Stack<u8>, c: usize| {
        let pairs = image.plane(c).iter().zip(ramp(c).into_vec());
        pairs.map(|(&a, b)| a.abs_diff(b)).max().unwrap()
    };
    for name in ["rgb.jpg", "progressive.jpg", "exif_rotated.jpg"] {
        let image = read(&oracle(name)).unwrap();
        // The orientation in EXIF data is not applied: the rotated one has the same 8 rows and 10 columns.
        assert_eq!(
            (image.channels(), image.height(), image.width()),
            (3, 8, 10),
            "{name}"
        );
        assert!((0..3).all(|c| near(&image, c) <= 8), "{name}");
    }
    let gray = read(&oracle("gray.jpg")).unwrap();
    assert_eq!(gray.channels(), 1);
    assert!(near(&gray, 0) <= 8);
    assert_eq!(
        read_image_size(&oracle("gray.jpg"), &Limits::default()).unwrap(),
        (8, 10)
    );
    let error = read(&oracle("cmyk.jpg")).unwrap_err().to_string();
    assert!(
        error.contains("cmyk.jpg") && error.contains("CMYK") && error.contains("convert it to RGB"),
        "{error}"
    );
}

#[test]
fn class_numbers_are_indices_in_every_form() {
    let limits = Limits::default();
    let expected = Plane::new(2, 3, vec![0, 1, 2, 15, 20, 255]).unwrap();
    assert_eq!(
        read_index_png(&oracle("classes_palette.png"), &limits).unwrap(),
        expected
    );
    let few = read_index_png(&oracle("classes_palette_2bit.png"), &limits).unwrap();
    assert_eq!(few.as_slice(), [0, 1, 2, 3, 2]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.png");
    let read = || read_index_png(&path, &limits);
    write_png(
        &path,
        [2, 3],
        ColorType::Grayscale,
        BitDepth::Eight,
        expected.as_slice(),
    );
    assert_eq!(read().unwrap(), expected);
    write_png(
        &path,
        [1, 9],
        ColorType::Grayscale,
        BitDepth::One,
        &[0b1010_0000, 0b1000_0000],
    );
    assert_eq!(read().unwrap().as_slice(), [1, 0, 1, 0, 0, 0, 0, 0, 1]);
    write_png(
        &path,
        [1, 2],
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &[7, 255, 9, 255],
    );
    assert_eq!(read().unwrap().as_slice(), [7, 9]);
    write_png(
        &path,
        [1, 2],
        ColorType::Rgb,
        BitDepth::Eight,
        &[3, 3, 3, 0, 0, 0],
    );
    assert_eq!(read().unwrap().as_slice(), [3, 0]);
    write_png(
        &path,
        [1, 2],
        ColorType::Grayscale,
        BitDepth::Sixteen,
        &[0, 5, 0, 255],
    );
    assert_eq!(read().unwrap().as_slice(), [5, 255]);

    write_png(
        &path,
        [1, 2],
        ColorType::Grayscale,
        BitDepth::Sixteen,
        &[0, 5, 1, 0],
    );
    assert!(read().unwrap_err().to_string().contains("value 256"));
    write_png(
        &path,
        [1, 2],
        ColorType::Rgb,
        BitDepth::Eight,
        &[3, 3, 3, 128, 0, 0],
    );
    assert!(read().unwrap_err().to_string().contains("row 0, column 1"));
    assert!(
        read_index_png(&oracle("gray.jpg"), &limits)
            .unwrap_err()
            .to_string()
            .contains("not a PNG")
    );
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let png = folder.path().join("whole.png");
    write_gray_png(
        &png,
        &Plane::from_fn(40, 30, |y, x| ((y * 7) ^ (x * 13)) as u8),
    )
    .unwrap();
    for whole in [
        png,
        oracle("rgb.jpg"),
        oracle("progressive.jpg"),
        oracle("exif_rotated.jpg"),
    ] {
        let bytes = fs::read(&whole).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            // The last twelve bytes of a PNG are its end mark; without it the file is cut off all the same.
            assert!(
                read(&path).is_err(),
                "{} to {length} of {} bytes",
                whole.display(),
                bytes.len()
            );
        }
    }
}

#[test]
fn a_jpeg_cut_off_before_an_end_marker_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    for (name, part) in [
        ("rgb.jpg", "coded data end after"),
        ("gray.jpg", "coded data end after"),
        ("exif_rotated.jpg", "coded data end after"),
        ("progressive.jpg", "cut off"),
    ] {
        let bytes = fs::read(oracle(name)).unwrap();
        let scan = bytes.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        let header = scan + 2 + usize::from(bytes[scan + 3]);
        // Of a progressive one, its first scan; some of the later ones may be missing by the standard.
        let rest = bytes[header..]
            .windows(2)
            .position(|w| w[0] == 0xff && w[1] != 0);
        for length in header..header + rest.unwrap() {
            let cut = [&bytes[..length], &[0xff, 0xd9]].concat();
            fs::write(&path, cut).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{name} to {length}: {error}");
        }
    }
}

#[test]
fn damage_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    for name in [
        "rgb.jpg",
        "progressive.jpg",
        "gray.jpg",
        "classes_palette.png",
    ] {
        let bytes = fs::read(oracle(name)).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            fs::write(&path, &damaged).unwrap();
            // What a decoder of somebody else's falls over is caught, and is seen here.
            let told = [
                read(&path).err(),
                read_index_png(&path, &Limits::default()).err(),
            ];
            for error in told.into_iter().flatten() {
                assert!(
                    !error.to_string().contains("the decoder gave up"),
                    "{name}, byte {at}: {error}"
                );
            }
        }
    }
}

#[test]
fn sizes_are_refused_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.png");
    write_png(&path, [1, 1], ColorType::Grayscale, BitDepth::Eight, &[0]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = read(&path).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::TooLarge {
                found: 4_294_967_296,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("--max-pixels"), "{error}");

    let path = folder.path().join("bomb.jpg");
    let mut bytes = fs::read(oracle("gray.jpg")).unwrap();
    let at = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    bytes[at + 5..at + 9].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(&path), Err(DataError::TooLarge { .. })));
    bytes[at + 5..at + 7].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("no pixels"));

    let tight = Limits {
        max_pixels: 79,
        ..Limits::default()
    };
    assert!(matches!(
        read_image(&oracle("gray.jpg"), &tight),
        Err(DataError::TooLarge { found: 80, .. })
    ));
    let small = Limits {
        max_bytes: 100,
        ..Limits::default()
    };
    assert!(matches!(
        read_image(&oracle("gray.jpg"), &small),
        Err(DataError::TooLarge { unit: "bytes", .. })
    ));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read(&path).unwrap_err().to_string()
    };
    assert!(error(b"").contains("x.png: the file is empty"));
    assert!(error(b"hello").contains("neither PNG, JPEG nor DICOM"));
    assert!(read(folder.path()).is_err());
    assert!(
        read(&folder.path().join("gone.png"))
            .unwrap_err()
            .to_string()
            .contains("gone.png")
    );
}

#[test]
fn a_picture_in_memory_comes_back_as_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let decode = |bytes: &[u8], max_bytes| {
        let limits = Limits {
            max_bytes,
            ..Limits::default()
        };
        decode_picture(Path::new("sent"), bytes, &limits, View::default())
    };
    for channels in [1, 3] {
        let planes: Vec<Plane<u8>> = (0..channels).map(ramp).collect();
        let image = Stack::from_planes(&planes).unwrap();
        let bytes = encode_png(&image).unwrap();
        assert_eq!(decode(&bytes, 1 << 20).unwrap().pixels, image);
        let file = folder.path().join("a.png");
        write_rgb_png(&file, &image).unwrap();
        assert_eq!(fs::read(&file).unwrap(), bytes);
        let error = decode(&bytes, bytes.len() as u64 - 1).unwrap_err();
        assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
    }
    let error = encode_png(&Stack::filled(2, 4, 4, 0)).unwrap_err();
    assert!(matches!(error, DataError::Shape { .. }), "{error}");
    let error = decode(b"no picture", 1 << 20).unwrap_err().to_string();
    assert!(error.starts_with("sent: neither PNG"), "{error}");
}
