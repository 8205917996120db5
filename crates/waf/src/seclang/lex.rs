//! Lines and words: comments dropped, lines joined at a trailing backslash, quotes taken off.

/// A directive's words and the line it begins on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) words: Vec<String>,
}

/// The directives of a text as words. The error is the line of a quote that does not close.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, u32> {
    let mut found = Vec::new();
    let mut joined = String::new();
    let mut begun: u32 = 0;
    for (index, raw) in text.lines().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let line = raw.trim();
        if joined.is_empty() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            begun = number;
        }
        if let Some(open) = line.strip_suffix('\\') {
            joined.push_str(open);
            continue;
        }
        joined.push_str(line);
        found.push(Line { number: begun, words: words(&joined).ok_or(begun)? });
        joined.clear();
    }
    if !joined.is_empty() {
        found.push(Line { number: begun, words: words(&joined).ok_or(begun)? });
    }
    Ok(found)
}

/// The words of one joined line. Within double quotes a backslash takes the special meaning from a
/// double quote only: all other backslashes belong to the pattern or the action.
fn words(line: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut letters = line.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let Some(first) = letters.next() else { return Some(found) };
        let mut word = String::new();
        if first == '"' || first == '\'' {
            loop {
                match letters.next()? {
                    end if end == first => break,
                    '\\' if letters.peek() == Some(&first) => word.extend(letters.next()),
                    // A double backslash keeps both, and does not shield the quote after it.
                    '\\' if letters.peek() == Some(&'\\') => {
                        word.push('\\');
                        word.extend(letters.next());
                    }
                    other => word.push(other),
                }
            }
        } else {
            word.push(first);
            while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
                word.push(letter);
            }
        }
        found.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_goes_on_after_a_backslash_and_keeps_the_line_it_began_on() {
        let text = "# first\n\nSecRule ARGS \"@rx a\\\"b\\d\" \\\n    \"id:1,\\\n    pass\"\nSecMarker END\n";
        let found = lines(text).unwrap();
        assert_eq!(found[0].number, 3);
        assert_eq!(found[0].words, ["SecRule", "ARGS", "@rx a\"b\\d", "id:1,pass"]);
        assert_eq!(found[1].words, ["SecMarker", "END"]);
    }

    #[test]
    fn an_open_quote_names_its_line() {
        assert_eq!(lines("SecMarker A\nSecRule ARGS \"@rx a"), Err(2));
    }
}
