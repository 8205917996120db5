//! Moments as SAML writes them: `xs:dateTime` in UTC, to the second or finer (core, 1.3.3).

use kernel::Timestamp;

use super::refusal::Refusal;

/// Reads `2026-11-22T20:15:00Z` with any fraction. Nothing else: no offset, no date alone.
pub(crate) fn parse(text: &str) -> Result<Timestamp, Refusal> {
    let (whole, fraction) = match text.strip_suffix('Z').ok_or(Refusal::Instant)?.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text.strip_suffix('Z').unwrap_or(""), None),
    };
    let pattern = b"0000-00-00T00:00:00";
    let shaped = whole.len() == pattern.len()
        && whole.bytes().zip(pattern).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    let fraction_ok = fraction.is_none_or(|digits| {
        (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !shaped || !fraction_ok {
        return Err(Refusal::Instant);
    }
    let moment: jiff::Timestamp = text.parse().map_err(|_| Refusal::Instant)?;
    u64::try_from(moment.as_millisecond()).map(Timestamp::from_millis).map_err(|_| Refusal::Instant)
}

/// Writes a moment to the second, as all providers read it.
pub(crate) fn write(moment: Timestamp) -> String {
    let text = moment.rfc3339();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_and_whole() {
        assert_eq!(parse("1970-01-01T00:00:01Z").unwrap().as_millis(), 1_000);
        assert_eq!(parse("1970-01-01T00:00:01.5Z").unwrap().as_millis(), 1_500);
        assert_eq!(write(parse("2026-11-22T20:15:00.987Z").unwrap()), "2026-11-22T20:15:00Z");
        for bad in [
            "",
            "Z",
            "2026-11-22",
            "2026-11-22T20:15:00",
            "2026-11-22T20:15:00+00:00",
            "2026-11-22 20:15:00Z",
            "2026-11-22T20:15:00.Z",
            "2026-13-22T20:15:00Z",
            "2026-11-22T25:15:00Z",
            "1969-12-31T23:59:59Z",
            "+002026-11-22T20:15:00Z",
            "2026-11-22T20:15:00Z[UTC]",
        ] {
            assert_eq!(parse(bad), Err(Refusal::Instant), "{bad}");
        }
    }
}
