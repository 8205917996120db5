//! Where people read a document: a base address, the document's path, and the heading's anchor.

/// Which address a document has. The rule of the longest matching folder counts, and the base
/// address of the whole knowledge folder where none matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UrlRules {
    /// The address of the knowledge folder: `https://..` or a path on Wardroom's own origin.
    pub base_url: Option<String>,
    /// Whether `cards/fees.md` is read at `cards/fees`, and `cards/index.md` at `cards/`.
    pub drop_extension: bool,
    /// Folders that are read elsewhere.
    pub folders: Vec<FolderUrl>,
}

/// The address of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderUrl {
    /// The folder, relative to the knowledge folder, without a slash at its end.
    pub folder: String,
    /// Its address.
    pub base_url: String,
}

impl UrlRules {
    /// The address of a document, or `None` when no rule says it.
    pub fn url_of(&self, path: &str) -> Option<String> {
        let (base, rest) = self
            .folders
            .iter()
            .filter_map(|rule| {
                let rest = path.strip_prefix(rule.folder.as_str())?.strip_prefix('/')?;
                Some((rule.folder.len(), (rule.base_url.as_str(), rest)))
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, found)| found)
            .or_else(|| Some((self.base_url.as_deref()?, path)))?;
        let mut rest = rest;
        if self.drop_extension {
            rest = rest.rsplit_once('.').map_or(rest, |(stem, _)| stem);
            if rest == "index" {
                rest = "";
            } else if let Some(folder) = rest.strip_suffix("/index") {
                rest = path_with_slash(rest, folder);
            }
        }
        let slash = if base.ends_with('/') { "" } else { "/" };
        Some(format!("{base}{slash}{}", encoded(rest)))
    }
}

/// `cards/index` cut to `cards/`.
fn path_with_slash<'p>(path: &'p str, folder: &str) -> &'p str {
    path.get(..folder.len() + 1).unwrap_or(path)
}

/// An address with a heading's anchor.
pub(crate) fn with_anchor(url: &str, anchor: &str) -> String {
    let page = url.split_once('#').map_or(url, |(page, _)| page);
    format!("{page}#{}", encoded(anchor))
}

/// Percent-encodes what may not stand in a path or a fragment (RFC 3986, `pchar` and `/`).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether an address can be cited: `https://host..`, or a path on our own origin. `Err` is the mend.
pub(crate) fn checked(url: &str) -> Result<(), &'static str> {
    const MEND: &str = "write an address such as https://bank.example/help/ or a path such as /docs/";
    if url.chars().any(|c| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c)) {
        return Err(MEND);
    }
    let host = |rest: &str| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && host.is_ascii()
    };
    // `//host` would leave our origin.
    let path = url.starts_with('/') && !url.starts_with("//");
    if path || url.strip_prefix("https://").is_some_and(host) { Ok(()) } else { Err(MEND) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_folder_rule_counts() {
        let rules = UrlRules {
            base_url: Some("/docs".into()),
            drop_extension: true,
            folders: vec![
                FolderUrl { folder: "a".into(), base_url: "https://a.example/".into() },
                FolderUrl { folder: "a/b".into(), base_url: "https://b.example/x/".into() },
            ],
        };
        let url = |path| rules.url_of(path).unwrap();
        assert_eq!(url("start.md"), "/docs/start");
        assert_eq!(url("index.md"), "/docs/");
        assert_eq!(url("a/c.md"), "https://a.example/c");
        assert_eq!(url("a/b/ü d.md"), "https://b.example/x/%C3%BC%20d");
        assert_eq!(url("a/c/index.md"), "https://a.example/c/");
        assert_eq!(url("ab.md"), "/docs/ab");
        assert_eq!(UrlRules::default().url_of("start.md"), None);
    }

    #[test]
    fn only_addresses_that_can_be_cited_pass() {
        for good in ["/docs/", "/", "https://bank.example", "https://bank.example:8443/help/?a=b#c"] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "docs",
            "//evil.example",
            "http://bank.example/",
            "javascript:alert(1)",
            "https://",
            "https://a@b/",
            "/a b",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_anchor_replaces_another() {
        assert_eq!(with_anchor("/docs/a#x", "b c"), "/docs/a#b%20c");
    }
}
