//! Readers of request bodies: form, multipart, JSON, XML. Each is one pass over the body with bounds
//! on depth, count and the size of what it makes; a body that breaks a bound or its own grammar has an
//! error for rules to see (`REQBODY_ERROR`), and what was read until then stays visible to them.

mod json;
mod multipart;
mod xml;

use crate::request::pairs;
use crate::transform::has_broken_escape;
use crate::value::{Body, BodyLimits, Processor, Request};

/// Reads the body of a request with this reader.
#[must_use]
pub fn read(processor: Processor, request: &Request<'_>, limits: &BodyLimits) -> Body {
    let body = match processor {
        Processor::None => Body::default(),
        Processor::Urlencoded => urlencoded(request.body, limits),
        Processor::Multipart => {
            multipart::read(request.header("content-type").unwrap_or_default(), request.body, limits)
        }
        Processor::Json => json::read(request.body, limits),
        Processor::Xml => xml::read(request.body, limits),
    };
    Body { processor, ..body }
}

fn urlencoded(body: &[u8], limits: &BodyLimits) -> Body {
    let mut args = pairs(body);
    let error = (args.len() > limits.args).then(|| format!("more than {} arguments", limits.args));
    args.truncate(limits.args);
    Body { args, error, urlencoded_error: has_broken_escape(body), ..Body::default() }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::value::Pair;

    /// What a body of this content type says.
    pub(super) fn said(processor: Processor, content_type: &str, body: &[u8], limits: &BodyLimits) -> Body {
        let headers: &[(&[u8], &[u8])] = &[(b"Content-Type", content_type.as_bytes())];
        let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let request = Request { remote, method: b"POST", target: b"/", protocol: b"HTTP/1.1", headers, body };
        read(processor, &request, limits)
    }

    #[test]
    fn the_reader_is_chosen_by_the_media_type() {
        let cases = [
            ("application/x-www-form-urlencoded; charset=utf-8", Processor::Urlencoded),
            ("Multipart/Form-Data; boundary=b", Processor::Multipart),
            ("application/json", Processor::Json),
            ("APPLICATION/PROBLEM+JSON;x", Processor::Json),
            (" \tapplication/json", Processor::Json),
            ("application/a_b+json ; x", Processor::Json),
            ("application/a+b+json", Processor::Json),
            ("application/+json", Processor::Json),
            ("application/pdf; x=+json", Processor::None),
            (" application/x-www-form-urlencoded", Processor::Urlencoded),
            ("text/xml", Processor::Xml),
            ("application/soap+xml", Processor::Xml),
            ("text/plain", Processor::None),
            ("", Processor::None),
        ];
        for (content_type, processor) in cases {
            assert_eq!(Processor::of_content_type(content_type.as_bytes()), processor, "{content_type}");
        }
    }

    #[test]
    fn a_form_is_read_and_bounded() {
        let body = said(Processor::Urlencoded, "", b"a=%3c&b=+&c=%z", &BodyLimits { args: 2, depth: 1 });
        assert_eq!(body.args, [Pair::new("a", "<"), Pair::new("b", " ")]);
        assert!(body.error.is_some() && body.urlencoded_error);
        assert_eq!(said(Processor::Urlencoded, "", b"", &BodyLimits::default()).args, []);
    }

    proptest! {
        #[test]
        fn no_body_upsets_a_reader(body in r#"[-b{}\[\]":,a1\\u<>/&;x=!\r\n ?DOCTYPE#\[CDATA]{0,120}"#, raw in prop::collection::vec(any::<u8>(), 0..120)) {
            for processor in [Processor::None, Processor::Urlencoded, Processor::Multipart, Processor::Json, Processor::Xml] {
                for body in [body.as_bytes(), &raw] {
                    let read = said(processor, "multipart/form-data; boundary=b", body, &BodyLimits { args: 5, depth: 3 });
                    prop_assert!(read.args.len() <= 5);
                    prop_assert_eq!(read.processor, processor);
                }
            }
        }
    }
}
