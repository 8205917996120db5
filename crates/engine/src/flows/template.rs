//! Texts with `{slot}` in them.

/// Puts values in the place of `{name}`. What `value` does not know stays as it stands, and what was
/// put in is not looked at again: a person who writes `{other}` gets just that.
pub(super) fn fill<'v>(template: &str, value: impl Fn(&str) -> Option<std::borrow::Cow<'v, str>>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}').and_then(|(name, rest)| Some((value(name)?, rest))) {
            Some((value, left)) => {
                filled.push_str(&value);
                rest = left;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_give_way_to_values_once() {
        let value = |name: &str| match name {
            "a" => Some("{b}".into()),
            "b" => Some("B".into()),
            _ => None,
        };
        assert_eq!(fill("{a}{b} {c} {", value), "{b}B {c} {");
        assert_eq!(fill("{{b}}", value), "{B}");
    }

    proptest! {
        #[test]
        fn a_text_without_known_names_stays_as_it_is(text in "[{}a-c ]{0,40}") {
            prop_assert_eq!(fill(&text, |_| None), text);
        }
    }
}
