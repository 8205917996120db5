//! AWS Signature Version 4, for requests with a path and no query, which is all that KMS needs
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).

use aws_lc_rs::{digest, hmac};
use kernel::Timestamp;
use zeroize::Zeroizing;

/// Who signs, and for which region and service.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// `20150830T123600Z`.
pub(super) fn amz_date(now: Timestamp) -> String {
    // From RFC 3339 with milliseconds, `2015-08-30T12:36:00.000Z`.
    let shown = now.rfc3339();
    let seconds = shown.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

impl Signer<'_> {
    /// The value of the `Authorization` header. `headers` are all that are signed, with their names in
    /// lower case and in alphabetical order; they include `host` and `x-amz-date`.
    pub(super) fn authorization(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        date: &str,
        body: &[u8],
    ) -> String {
        let canonical: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let (names, body) = (names.join(";"), sha256(body));
        let request = format!("{method}\n{path}\n\n{canonical}\n{names}\n{body}");

        let day = date.split('T').next().unwrap_or_default();
        let Self { access_key_id, secret_access_key, region, service } = self;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(request.as_bytes()));

        let mut key = Zeroizing::new(format!("AWS4{secret_access_key}").into_bytes());
        for part in [day, region, service, "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex::encode(hmac(&key, text.as_bytes()).as_slice());
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn hmac(key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The session token of the test suite that AWS publishes.
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// Method, signed headers, body, signature.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str);

    /// Vectors `get-vanilla`, `post-vanilla`, `post-sts-header-before` and `post-x-www-form-urlencoded`.
    #[test]
    fn the_published_vectors_come_out() {
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service: "service",
        };
        let date = "20150830T123600Z";
        let (host, when) = (("host", "example.amazonaws.com"), ("x-amz-date", date));
        let (token, form) =
            (("x-amz-security-token", TOKEN), ("content-type", "application/x-www-form-urlencoded"));
        let cases: [Case<'_>; 4] = [
            ("GET", &[host, when], b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", &[host, when], b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "POST",
                &[host, when, token],
                b"",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                "POST",
                &[form, host, when],
                b"Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ];
        for (method, headers, body, signature) in cases {
            let said = signer.authorization(method, "/", headers, date, body);
            let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={}, Signature={signature}",
                names.join(";")
            );
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn the_date_is_in_the_short_form() {
        assert_eq!(amz_date(Timestamp::from_millis(1_440_938_160_999)), "20150830T123600Z");
    }
}
