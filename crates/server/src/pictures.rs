//! Pictures made small, within bounds: whoever sends one decides neither how much memory it takes nor what else it tells.

use std::borrow::Cow;
use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

/// Bytes that a decoder may take for each pixel allowed.
const BYTES_PER_PIXEL: u64 = 4;

/// In which format a picture was made small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG, where something shows through.
    Png,
    /// JPEG, where nothing does.
    Jpeg,
}

impl Kind {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// Makes a picture of at most `side` pixels in length and height, with nothing in it but what is seen, the right way up; `None`
/// for what is none, or has more than `pixels`. The size that the head of a picture claims is looked at before anything is
/// decoded, and memory is bounded while it is.
pub(crate) fn shrink(source: &[u8], side: u32, pixels: u64) -> Option<(Kind, Bytes)> {
    let source = without_remarks(source);
    let reader = |width, height| {
        let mut limits = Limits::no_limits();
        (limits.max_image_width, limits.max_image_height) = (width, height);
        limits.max_alloc = Some(pixels.saturating_mul(BYTES_PER_PIXEL));
        let mut reader = ImageReader::new(Cursor::new(&*source)).with_guessed_format().ok()?;
        reader.limits(limits);
        Some(reader)
    };
    let (width, height) = reader(None, None)?.into_dimensions().ok()?;
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > pixels {
        return None;
    }
    let mut decoder = reader(Some(width), Some(height))?.into_decoder().ok()?;
    if decoder.total_bytes() > pixels.saturating_mul(BYTES_PER_PIXEL) {
        return None;
    }
    let orientation = decoder.orientation().ok();
    let picture = DynamicImage::from_decoder(decoder).ok()?;
    let mut small = if width.max(height) > side { picture.thumbnail(side, side) } else { picture };
    // Cameras write down how they were held.
    orientation.into_iter().for_each(|orientation| small.apply_orientation(orientation));
    let (kind, format, small) = if small.color().has_alpha() {
        (Kind::Png, ImageFormat::Png, DynamicImage::from(small.into_rgba8()))
    } else {
        (Kind::Jpeg, ImageFormat::Jpeg, DynamicImage::from(small.into_rgb8()))
    };
    let mut out = Cursor::new(Vec::new());
    small.write_to(&mut out, format).ok()?;
    Some((kind, Bytes::from(out.into_inner())))
}

/// A PNG without the chunks that are not needed to see it (PNG third edition, section 5): texts and profiles are compressed
/// by themselves, and a megabyte of them becomes a thousand. Anything else is left as it is.
fn without_remarks(source: &[u8]) -> Cow<'_, [u8]> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    let Some(mut rest) = source.strip_prefix(SIGNATURE) else {
        return Cow::Borrowed(source);
    };
    let mut out = SIGNATURE.to_vec();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        // The name, the content, and the checksum.
        let whole = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).saturating_add(8);
        let Some(chunk) = behind.get(..whole) else { break };
        if chunk.get(..4).is_some_and(|name| matches!(name, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND"))
        {
            out.extend_from_slice(length);
            out.extend_from_slice(chunk);
        }
        rest = behind.get(whole..).unwrap_or_default();
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only says something about a picture is not read, however it is put.
    #[test]
    fn remarks_are_left_out() {
        let whole = picture(4, 4, true, ImageFormat::Png);
        assert_eq!(*without_remarks(&whole), *whole);
        let remark = [&3u32.to_be_bytes()[..], b"zTXtabc", &[0; 4]].concat();
        let with = [&whole[..33], &remark, &whole[33..]].concat();
        assert_eq!(*without_remarks(&with), *whole);
        assert!(shrink(&with, 320, 1_000).is_some());
        let endless = [&whole[..33], &u32::MAX.to_be_bytes(), b"IDAT"].concat();
        assert_eq!(*without_remarks(&endless), whole[..33]);
        assert_eq!(*without_remarks(b"GIF89a"), *b"GIF89a");
    }

    fn picture(width: u32, height: u32, alpha: bool, format: ImageFormat) -> Vec<u8> {
        let picture = match alpha {
            true => DynamicImage::new_rgba8(width, height),
            false => DynamicImage::new_rgb8(width, height),
        };
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    #[test]
    fn pictures_become_small() {
        for (format, alpha, expected) in [
            (ImageFormat::Png, true, Kind::Png),
            (ImageFormat::Png, false, Kind::Jpeg),
            (ImageFormat::Jpeg, false, Kind::Jpeg),
            (ImageFormat::Gif, true, Kind::Png),
            (ImageFormat::WebP, false, Kind::Jpeg),
        ] {
            let (made, small) = shrink(&picture(1000, 500, alpha, format), 320, 1_000_000).unwrap();
            assert_eq!(made, expected, "{format:?}");
            let small = image::load_from_memory(&small).unwrap();
            assert_eq!((small.width(), small.height()), (320, 160), "{format:?}");
        }
    }

    /// A picture that says of itself that it was taken with the camera on its side.
    #[test]
    fn pictures_stand_the_right_way_up() {
        let plain = picture(100, 50, false, ImageFormat::Jpeg);
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let turned = [&plain[..2], b"\xff\xe1", &length, exif, &plain[2..]].concat();
        let (_, small) = shrink(&turned, 320, 1_000_000).unwrap();
        assert!(!small.windows(4).any(|four| four == b"Exif"), "and says nothing more");
        let small = image::load_from_memory(&small).unwrap();
        assert_eq!((small.width(), small.height()), (50, 100));
    }

    /// A small file that claims to be, or is, a huge picture costs nothing.
    #[test]
    fn bombs_are_not_decoded() {
        assert!(shrink(&picture(1001, 1000, false, ImageFormat::Png), 320, 1_000_000).is_none());
        // A head alone, which claims 65,535 times 65,535 pixels.
        let mut head = picture(1, 1, false, ImageFormat::Png);
        head[16..20].copy_from_slice(&65_535u32.to_be_bytes());
        head[20..24].copy_from_slice(&65_535u32.to_be_bytes());
        assert!(shrink(&head, 320, 25_000_000).is_none());
        for nonsense in
            [&b""[..], b"<html>", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBPVP8 "]
        {
            assert!(shrink(nonsense, 320, 25_000_000).is_none());
        }
        let whole = picture(100, 100, true, ImageFormat::Png);
        for cut in (0..whole.len()).step_by(7) {
            drop(shrink(&whole[..cut], 320, 25_000_000));
        }
    }
}
