//! Bodies of the API as tables.

mod entry;
mod open;
mod request;
mod schedule;
mod transaction;
mod waits;

pub(crate) use entry::{entries, history};
pub(crate) use open::{Resumed, Said, heard, resumed, said, stepped};
pub(crate) use request::{request, requests};
pub(crate) use schedule::{schedule, schedules, triggered};
pub(crate) use transaction::{bulk, count, is_success, started, step_names, steps, transaction, transactions, tree};
pub(crate) use waits::{signal, state};

use chancery_base::{PrincipalId, Timestamp};

/// An instant to the millisecond, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let to_millis = text.get(..23).unwrap_or(&text);
    format!("{}Z", to_millis.replace('T', " "))
}

/// Who did it: what nobody asked for, such as handing a step out, the platform does.
pub(crate) fn actor(id: PrincipalId) -> String {
    if id == PrincipalId::SYSTEM { "the platform".to_owned() } else { id.to_string() }
}

/// A span of milliseconds in the unit that reads best.
pub(crate) fn millis(millis: u64) -> String {
    micros(millis.saturating_mul(1_000))
}

/// A span of microseconds in the unit that reads best.
pub(crate) fn micros(micros: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", micros / unit, micros % unit * 10 / unit);
    match micros {
        // What happened in one commit has one time.
        0 => "0 ms".to_owned(),
        1..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", tenths(1_000)),
        1_000_000..60_000_000 => format!("{} s", tenths(1_000_000)),
        _ => {
            let seconds = micros / 1_000_000;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {} s", seconds % 60) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (span, text) in [
            (0, "0 ms"),
            (999, "999 µs"),
            (1_000, "1.0 ms"),
            (12_345, "12.3 ms"),
            (999_999, "999.9 ms"),
            (1_250_000, "1.2 s"),
            (62_000_000, "1 min 2 s"),
            (7_260_000_000, "2 h 1 min"),
        ] {
            assert_eq!(micros(span), text);
        }
        assert_eq!(time(Timestamp::from_micros(1_795_246_020_123_456)), "2026-11-21 07:27:00.123Z");
    }
}
