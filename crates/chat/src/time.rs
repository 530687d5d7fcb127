//! Date and time as XMPP writes them (XEP-0082).

/// A moment in UTC with milliseconds, such as `1969-07-21T02:56:15.123Z`.
pub fn timestamp(unix_ms: u64) -> String {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads a moment of XEP-0082 section 3.2, with or without a fraction, in UTC or at an offset. Moments before 1970 and
/// anything malformed are `None`.
pub fn parse_timestamp(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once('T')?;
    let mut fields = date.splitn(3, '-');
    let (year, month, day) =
        (number(fields.next()?, 4)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    let (clock, offset_minutes) = split_zone(rest)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut fields = clock.splitn(3, ':');
    let (hour, minute, second) =
        (number(fields.next()?, 2)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    let valid = (1..=12).contains(&month)
        && (1..=month_length(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let milli: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let days = days_since_epoch(i64::try_from(year).ok()?, month, day);
    let minutes = (days * 24 + i64::try_from(hour).ok()?) * 60 + i64::try_from(minute).ok()? - offset_minutes;
    u64::try_from(minutes * 60 + i64::try_from(second).ok()?).ok().map(|s| s * 1000 + milli)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let offset = i64::try_from(number(hours, 2)? * 60 + number(minutes, 2)?).ok()?;
    Some((&text[..at], if text[at..].starts_with('-') { -offset } else { offset }))
}

fn month_length(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date, by counting in years that begin in March, so that leap days come last.
fn days_since_epoch(year: i64, month: u64, day: u64) -> i64 {
    let (month, day) = (month.cast_signed(), day.cast_signed());
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of `days_since_epoch`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0082 section 3.2.
    #[test]
    fn writes_and_reads_moments() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400_123), "2000-02-29T00:00:00.123Z");
        for ms in [0, 951_782_399_999, 951_782_400_123, 1_800_000_000_000, 4_102_444_799_001] {
            assert_eq!(parse_timestamp(&timestamp(ms)), Some(ms));
        }
        assert_eq!(parse_timestamp("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(parse_timestamp("1969-12-31T19:00:01-05:00"), Some(1000));
        assert_eq!(parse_timestamp("2000-02-29T00:00:00.1239Z"), Some(951_782_400_123));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "yesterday",
            "1969-01-01T00:00:00Z",
            "2001-02-29T00:00:00Z",
            "2001-02-28T24:00:00Z",
            "2001-02-28T00:00:00",
            "2001-2-28T00:00:00Z",
            "2001-02-28T00:00:00.Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
