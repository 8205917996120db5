//! Finding what looks like a secret in a text. It knows the shapes that issuers publish so that
//! scanners can find them, and the plain `password = ".."`. It does not promise to find every secret;
//! it promises to say where, and never what.

use std::sync::LazyLock;

use regex::Regex;

/// What is looked for, with the words for it. Each pattern is a fixed, linear-time expression.
const SHAPES: &[(&str, &str)] = &[
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("an age secret key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{22,})\b"),
    ("a GitLab token", r"\bglpat-[0-9A-Za-z_-]{20,}"),
    ("a Slack token", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    ("a Slack webhook", r"\bhooks\.slack\.com/services/T[0-9A-Z]+/B[0-9A-Z]+/[0-9A-Za-z]+"),
    ("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a Stripe key", r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}\b"),
    ("a model provider's key", r"\bsk-(?:[a-z]+-){0,3}[0-9A-Za-z_-]{32,}"),
    ("a Wardroom API key", r"\bwrk1_[0-9a-f]{8}_[0-9a-f]{64}_[0-9a-f]{8}\b"),
    ("an npm token", r"\bnpm_[0-9A-Za-z]{36}\b"),
    ("a Vault token", r"\bhv[sbr]\.[0-9A-Za-z_-]{24,}"),
    ("a SendGrid key", r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}\b"),
    ("a signed token (JWT)", r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}"),
    (
        "a password in an address",
        r"\b[a-z][a-z0-9+.-]{2,20}://[^\s/:@<>{}]{1,64}:[^\s/:@<>{}$*]{6,128}@[0-9A-Za-z.-]+",
    ),
    (
        "a password or key",
        r#"(?i)\b(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret)["']?\s*[:=]\s*["'][^\s"'<>{}$]{16,}["']"#,
    ),
];

/// Words that mark an example for readers, such as AWS's own `AKIAIOSFODNN7EXAMPLE`.
const EXAMPLES: &[&str] =
    &["example", "xxxx", "0000000", "placeholder", "changeme", "your", "secret@", "password@"];

static PATTERNS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    SHAPES.iter().filter_map(|(kind, shape)| Some((*kind, Regex::new(shape).ok()?))).collect()
});

/// Byte offsets of what looks like a secret, with its kind in words.
pub(crate) fn find(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (kind, pattern) in PATTERNS.iter() {
        for hit in pattern.find_iter(text) {
            let lower = hit.as_str().to_lowercase();
            if !EXAMPLES.iter().any(|word| lower.contains(word)) {
                found.push((hit.start(), *kind));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_compiles() {
        assert_eq!(PATTERNS.len(), SHAPES.len());
    }

    #[test]
    fn well_known_shapes_are_found() {
        // Built from pieces, so that this file does not itself look like it holds secrets.
        let samples = [
            format!("-----BEGIN {}PRIVATE KEY-----", "EC "),
            format!("-----BEGIN {}-----", "PRIVATE KEY"),
            format!("id AKIA{}", "Q3EGRIJ4ZVXMPL2A"),
            format!("ghp_{}", "a1B2".repeat(9)),
            format!("xoxb-{}", "1234567890-abcdef"),
            format!("AIza{}", "B".repeat(35)),
            format!("sk_live_{}", "4eC39HqLyjWDarjtT1zdp7dc"),
            format!("sk-proj-{}", "Zx9".repeat(14)),
            format!("hvs.{}", "CAESIJ".repeat(5)),
            format!("wrk1_{}_{}_{}", "a1".repeat(4), "5e".repeat(32), "0f".repeat(4)),
            format!("eyJ{}.eyJ{}.{}", "hbGciOiJIUzI1NiJ9", "zdWIiOiIxMjM0In0", "dozjgNryP4J3jVmN"),
            format!("postgres://app:{}@db.internal/app", "h7Kq-22zz"),
            format!("api_key = \"{}\"", "9fk3Lq0sP2vT7xZa"),
        ];
        for sample in samples {
            assert_eq!(find(&sample).len(), 1, "{sample}");
        }
    }

    #[test]
    fn examples_and_prose_are_not_secrets() {
        for text in [
            "Use the key AKIAIOSFODNN7EXAMPLE to try it.",
            "password = \"your-password-goes-here\"",
            "Choose a password: it needs 12 characters or more.",
            "postgres://USER:PASSWORD@host/db and postgres://user:secret@localhost/db",
            "sk- is how some keys begin; https://bank.example/help?a=1:2@home",
        ] {
            assert_eq!(find(text), [], "{text}");
        }
    }
}
