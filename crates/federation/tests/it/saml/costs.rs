//! What a message may cost before anything in it is believed: whoever can begin a login can post one, so
//! nothing in it may cost the square of its length, or worse.

use super::idp::*;

/// The code of the refusal of a genuine login with something changed on its way.
fn refused(from: &str, to: &str) -> &'static str {
    let xml = login().xml();
    assert!(xml.contains(from), "`{from}` is not there to be changed");
    judge(&xml.replacen(from, to, 1)).expect_err("this must be refused").code()
}

#[test]
fn attributes_without_end_are_refused_before_they_are_compared() {
    let many: String = (0..20_000).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(refused("<saml:NameID", &format!("<saml:NameID{many}")), "saml.attributes");
    assert_eq!(refused("<samlp:Response", &format!("<samlp:Response{many}")), "saml.attributes");
}

#[test]
fn namespaces_without_end_are_refused_before_each_element_looks_at_them() {
    let declared =
        |part: usize| -> String { (0..50).map(|n| format!(" xmlns:p{part}x{n}=\"a:{part}x{n}\"")).collect() };
    // Thirty levels with fifty declarations each, and a thousand elements that see them all.
    let open: String = (0..30).map(|level| format!("<a{}>", declared(level))).collect();
    let nested = format!("{open}{}{}", "<b/>".repeat(1_000), "</a>".repeat(30));
    assert_eq!(refused("<samlp:Status>", &format!("{nested}<samlp:Status>")), "saml.namespaces");
    let root: String = (0..40).map(declared).collect();
    let wide = format!("<samlp:Response{root}");
    assert_eq!(refused("<samlp:Response", &wide), "saml.attributes");
}

#[test]
fn a_list_of_prefixes_without_end_is_refused_before_it_is_used() {
    let list = format!(
        "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{}\"/>",
        "a ".repeat(50_000)
    );
    let values = "<saml:AttributeValue/>".repeat(3_000);
    let exc = "Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">";
    for (element, code) in
        [("ds:CanonicalizationMethod", "saml.canonicalization"), ("ds:Transform", "saml.transforms")]
    {
        let xml =
            login().xml().replacen("<saml:AttributeValue>", &format!("{values}<saml:AttributeValue>"), 1);
        let open = format!("<{element} {exc}");
        assert!(xml.contains(&open));
        let xml = xml.replacen(&open, &format!("{open}{list}"), 1);
        assert_eq!(judge(&xml).expect_err("this must be refused").code(), code);
    }
}
