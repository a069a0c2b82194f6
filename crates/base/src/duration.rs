//! Durations as people write them in definitions and settings: `100ms`, `30s`, `5m`, `2h`, `3d`.

use std::time::Duration;

/// The longest duration that can be written: 10 years.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number and a unit.
    #[error("`{0}` is not a duration: write a whole number and one of ms, s, m, h, d, such as `30s`")]
    Form(String),
    /// Over [`DURATION_MAX`].
    #[error("`{0}` is longer than 10 years")]
    TooLong(String),
}

/// Reads a duration.
///
/// # Errors
/// If the text is not a whole number and a unit, or is longer than [`DURATION_MAX`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let form = || DurationError::Form(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(form)?;
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(form()),
    };
    if number.is_empty() {
        return Err(form());
    }
    let too_long = || DurationError::TooLong(text.to_owned());
    let number: u64 = number.parse().ok().ok_or_else(too_long)?;
    let millis = number.checked_mul(millis_per_unit).ok_or_else(too_long)?;
    let duration = Duration::from_millis(millis);
    if duration > DURATION_MAX { Err(too_long()) } else { Ok(duration) }
}

/// Writes a duration as [`parse`] reads it, in the largest unit that divides it; parts of a millisecond are dropped.
#[must_use]
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, per_unit) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= per_unit && millis.is_multiple_of(per_unit) {
            return format!("{}{unit}", millis / per_unit);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, millis) in
            [("100ms", 100), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("3d", 259_200_000), ("0ms", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)));
            assert_eq!(format(Duration::from_millis(millis)), text);
        }
        for bad in ["", "5", "s", "1.5s", "5 m", "-1s", "5µs"] {
            assert_eq!(parse(bad), Err(DurationError::Form(bad.to_owned())), "{bad}");
        }
        assert!(matches!(parse("9999999999999999999999d"), Err(DurationError::TooLong(_))));
        assert!(matches!(parse("3651d"), Err(DurationError::TooLong(_))));
    }
}
