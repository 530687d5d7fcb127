//! Plain tables for people: columns as wide as their widest cell, two spaces between.

use std::fmt::{self, Write};

/// Writes rows under a heading; columns are aligned and the last one is not padded.
pub fn write(f: &mut fmt::Formatter<'_>, heading: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: &mut dyn Iterator<Item = &str>, end: &str| -> fmt::Result {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            write!(text, "{cell:width$}  ")?;
        }
        f.write_str(text.trim_end())?;
        f.write_str(end)
    };
    line(&mut heading.iter().copied(), if rows.is_empty() { "" } else { "\n" })?;
    for (index, row) in rows.iter().enumerate() {
        line(&mut row.iter().map(String::as_str), if index + 1 == rows.len() { "" } else { "\n" })?;
    }
    Ok(())
}

/// Writes names and values below each other; the values are aligned.
pub fn write_pairs(f: &mut fmt::Formatter<'_>, pairs: &[(&str, String)]) -> fmt::Result {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (index, (name, value)) in pairs.iter().enumerate() {
        let end = if index + 1 == pairs.len() { "" } else { "\n" };
        write!(f, "{name:width$}  {value}{end}")?;
    }
    Ok(())
}

/// A number of bytes for a person.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A length of time for a person, in its two largest units.
pub fn length(ms: u64) -> String {
    let s = ms / 1000;
    let (d, h, m) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min {} s", s % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lengths_are_short() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(4_200_000), "4.2 MB");
        assert_eq!(length(59_000), "59 s");
        assert_eq!(length(90_061_000), "1 d 1 h");
    }

    #[test]
    fn columns_are_aligned() {
        struct Sample;
        impl fmt::Display for Sample {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let rows = [vec!["romeo".to_owned(), "yes".to_owned()], vec!["jo".to_owned(), String::new()]];
                write(f, &["NAME", "ON"], &rows)
            }
        }
        assert_eq!(Sample.to_string(), "NAME   ON\nromeo  yes\njo");
    }
}
