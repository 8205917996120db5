//! Which ASCII byte a character beyond ASCII resembles: what Windows does when it converts to code
//! page 20127, and with it what programs behind a web server may see.

/// The byte for the character whose code is `high` and `low`; its low byte if it resembles none.
/// Full-width forms (U+FF01 to U+FF5E) stand for the ASCII characters they depict.
pub(super) fn best_fit(high: u8, low: u8) -> u8 {
    if high == 0xff && (0x01..0x5f).contains(&low) {
        return low + 0x20;
    }
    let code = u16::from_be_bytes([high, low]);
    let before = RUNS.partition_point(|(start, _)| *start <= code);
    let run = before.checked_sub(1).and_then(|at| RUNS.get(at));
    run.and_then(|(start, bytes)| bytes.get(usize::from(code - start))).copied().unwrap_or(low)
}

/// Runs of neighbouring characters: the first code, and what each resembles.
const RUNS: &[(u16, &[u8])] = &[
    (0x00a0, b" !c"),
    (0x00a4, b"$Y|"),
    (0x00a9, b"Ca<"),
    (0x00ad, b"-R"),
    (0x00b2, b"23"),
    (0x00b7, b".,1o>"),
    (0x00c0, b"AAAAAAACEEEEIIIIDNOOOOO"),
    (0x00d8, b"OUUUUY"),
    (0x00e0, b"aaaaaaaceeeeiiii"),
    (0x00f1, b"nooooo"),
    (0x00f8, b"ouuuuy"),
    (0x00ff, b"yAaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi"),
    (0x0134, b"JjKk"),
    (0x0139, b"LlLlLl"),
    (0x0141, b"LlNnNnNn"),
    (0x014c, b"OoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZ"),
    (0x017b, b"ZzZz"),
    (0x0180, b"b"),
    (0x0189, b"D"),
    (0x0191, b"Ff"),
    (0x0197, b"I"),
    (0x019a, b"l"),
    (0x019f, b"OOo"),
    (0x01ab, b"t"),
    (0x01ae, b"TUu"),
    (0x01b6, b"z"),
    (0x01cd, b"AaIiOoUuUuUuUuUu"),
    (0x01de, b"Aa"),
    (0x01e4, b"GgGgKkOoOo"),
    (0x01f0, b"j"),
    (0x0261, b"g"),
    (0x02b9, b"'\""),
    (0x02bc, b"'"),
    (0x02c4, b"^"),
    (0x02c6, b"^"),
    (0x02c8, b"'"),
    (0x02cb, b"`"),
    (0x02cd, b"_"),
    (0x02dc, b"~"),
    (0x0300, b"`"),
    (0x0302, b"^~"),
    (0x030e, b"\""),
    (0x0331, b"__"),
    (0x2000, b"       "),
    (0x2010, b"--"),
    (0x2013, b"--"),
    (0x2018, b"'',"),
    (0x201c, b"\"\"\""),
    (0x2022, b"."),
    (0x2026, b"."),
    (0x2032, b"'"),
    (0x2035, b"`"),
    (0x2039, b"<>"),
    (0x2122, b"T"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_ascend_and_do_not_overlap() {
        let ends = RUNS.iter().map(|(start, bytes)| usize::from(*start) + bytes.len());
        assert!(ends.zip(RUNS.iter().skip(1)).all(|(end, (next, _))| end <= usize::from(*next)));
    }

    #[test]
    fn look_alikes_are_found_and_others_keep_their_low_byte() {
        for (code, byte) in [
            (0x00a0_u16, b' '),
            (0x2039, b'<'),
            (0x2032, b'\''),
            (0xff1c, b'<'),
            (0xff5e, b'~'),
            (0x0041, b'A'),
            (0x4e41, b'A'),
            (0x203b, 0x3b),
            (0x2122, b'T'),
        ] {
            let [high, low] = code.to_be_bytes();
            assert_eq!(best_fit(high, low), byte, "{code:04x}");
        }
    }
}
