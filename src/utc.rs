//! Points in time as text, in UTC.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-11-21 04:55:00.123`, as oslo.log writes it.
pub(crate) struct Timestamp(pub(crate) SystemTime);

/// `2026-11-21T04:55:00.123456Z` (RFC 3339).
pub(crate) struct Rfc3339(pub(crate) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = write_date_and_time(self.0, ' ', f)?;
        write!(f, ".{:03}", since.subsec_millis())
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = write_date_and_time(self.0, 'T', f)?;
        write!(f, ".{:06}Z", since.subsec_micros())
    }
}

/// Down to the second; returns the time since 1970 for the rest.
fn write_date_and_time(
    time: SystemTime,
    between: char,
    f: &mut fmt::Formatter<'_>,
) -> Result<Duration, fmt::Error> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    write!(
        f,
        "{year:04}-{month:02}-{day:02}{between}{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )?;
    Ok(since)
}

/// Date of a day since 1970-01-01. Years are counted from March, so that the leap day is the
/// last, in eras of 400 years = 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // from March
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_oslo_writes_it() {
        for (milliseconds, expected) in [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_400_123, "2000-02-29 00:00:00.123"),
            (1_795_236_900_999, "2026-11-21 04:55:00.999"),
            (4_107_542_399_000, "2100-02-28 23:59:59.000"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
            assert_eq!(Timestamp(time).to_string(), expected);
        }
    }

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        let time = UNIX_EPOCH + Duration::from_micros(951_782_400_123_456);
        assert_eq!(Rfc3339(time).to_string(), "2000-02-29T00:00:00.123456Z");
    }
}
