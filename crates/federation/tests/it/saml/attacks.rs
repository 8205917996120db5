//! A generator of attacks: from one genuine response, every way that we know to make a verifier believe
//! something else. It works on any provider's response, so the conformance suite runs it on real ones.
//!
//! It edits text at the ranges that a parse gives, and never looks at the verifier's code.

use roxmltree::{Document, Node};

/// A hostile document.
pub(crate) struct Attack {
    /// The family, for the table.
    pub(crate) family: &'static str,
    pub(crate) xml: Vec<u8>,
}

/// Who the forger wants to be.
pub(crate) const FORGED: &str = "mallory-the-forger";

/// The pieces of a genuine response, by their text.
struct Pieces<'a> {
    xml: &'a str,
    document: Document<'a>,
    assertion: &'a str,
    assertion_signature: Option<&'a str>,
    response_signature: Option<&'a str>,
    name: String,
    id: &'a str,
    response_id: &'a str,
}

fn local<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.tag_name().name() == name)
}

impl<'a> Pieces<'a> {
    fn of(xml: &'a str) -> Self {
        let document = Document::parse(xml).unwrap();
        let root = document.root_element();
        let assertion = local(root, "Assertion").expect("a plain assertion");
        let text = |node: Node<'_, 'a>| &xml[node.range()];
        let name = local(local(assertion, "Subject").unwrap(), "NameID").unwrap();
        let (assertion_signature, response_signature) =
            (local(assertion, "Signature").map(text), local(root, "Signature").map(text));
        let id = |node: Node<'_, 'a>| {
            let range = node.attribute_node("ID").unwrap().range_value();
            &xml[range]
        };
        let (assertion_id, response_id) = (id(assertion), id(root));
        Self {
            xml,
            assertion: text(assertion),
            assertion_signature,
            response_signature,
            name: name.text().unwrap().to_owned(),
            id: assertion_id,
            response_id,
            document,
        }
    }

    /// The assertion of the forger: other name, and perhaps another identifier or no signature.
    fn evil(&self, id: &str, signature: &str) -> String {
        let named = self.assertion.replacen(&format!(">{}<", self.name), &format!(">{FORGED}<"), 1);
        assert_ne!(named, self.assertion);
        let named = named.replacen(&format!("\"{}\"", self.id), &format!("\"{id}\""), 1);
        match self.assertion_signature {
            Some(own) => named.replacen(own, signature, 1),
            None => named,
        }
    }

    /// Every place between two tags of a document, as an offset in its text.
    fn gaps(text: &str) -> Vec<usize> {
        let Ok(document) = Document::parse(text) else { return Vec::new() };
        let mut gaps = Vec::new();
        for node in document.root_element().descendants().filter(Node::is_element) {
            let range = node.range();
            let inner = &text[range.clone()];
            if node != document.root_element() {
                gaps.push(range.start);
                gaps.push(range.end);
            }
            if !inner.ends_with("/>") {
                gaps.push(range.start + open_tag(inner));
                gaps.push(range.start + inner.rfind("</").unwrap());
            }
        }
        gaps.sort_unstable();
        gaps.dedup();
        gaps
    }
}

/// The length of the opening tag; `>` may stand inside a value.
fn open_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '>') => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn inserted(text: &str, at: usize, what: &str) -> Vec<u8> {
    [&text[..at], what, &text[at..]].concat().into_bytes()
}

/// Every attack on a genuine response with a plain assertion.
pub(crate) fn all(xml: &str) -> Vec<Attack> {
    let declared = xml.find("?>").filter(|_| xml.starts_with("<?xml")).map_or(0, |end| end + 2);
    let xml = xml[declared..].trim();
    let pieces = Pieces::of(xml);
    let mut attacks = Vec::new();
    second_assertion(&pieces, &mut attacks);
    moved_original(&pieces, &mut attacks);
    classic(&pieces, &mut attacks);
    splits(&pieces, &mut attacks);
    identifiers(&pieces, &mut attacks);
    algorithms(&pieces, &mut attacks);
    signatures(&pieces, &mut attacks);
    prologues(&pieces, &mut attacks);
    namespaces(&pieces, &mut attacks);
    repetitions(&pieces, &mut attacks);
    attributes(&pieces, &mut attacks);
    quantities(&pieces, &mut attacks);
    attacks
}

/// Wrappers that a careless reader descends into.
const WRAPPERS: &[(&str, &str)] = &[
    ("", ""),
    ("<samlp:Extensions xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">", "</samlp:Extensions>"),
    ("<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">", "</ds:Object>"),
    ("<saml:Advice xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">", "</saml:Advice>"),
    ("<x:y xmlns:x=\"urn:x\">", "</x:y>"),
];

/// A second, forged assertion at every place of the document, in every wrapping, with and without the
/// genuine signature and identifier.
fn second_assertion(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let signature = pieces.assertion_signature.unwrap_or("");
    let evils = [
        pieces.evil("_evil", ""),
        pieces.evil(pieces.id, ""),
        pieces.evil("_evil", signature),
        pieces.evil(pieces.id, signature),
    ];
    let gaps = Pieces::gaps(pieces.xml);
    for (open, close) in WRAPPERS {
        for evil in &evils {
            let evil = format!("{open}{evil}{close}");
            for at in &gaps {
                out.push(Attack { family: "a second assertion", xml: inserted(pieces.xml, *at, &evil) });
            }
        }
    }
}

/// The forged assertion takes the genuine one's place, and the genuine one is kept somewhere else, so
/// that its signature still has something to refer to.
fn moved_original(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let signature = pieces.assertion_signature.unwrap_or("");
    let originals = [
        pieces.assertion.to_owned(),
        pieces.assertion.replacen(signature, "", usize::from(!signature.is_empty())),
    ];
    for evil in [pieces.evil("_evil", ""), pieces.evil("_evil", signature), pieces.evil(pieces.id, signature)]
    {
        let swapped = pieces.xml.replacen(pieces.assertion, &evil, 1);
        let gaps = Pieces::gaps(&swapped);
        for original in &originals {
            for (open, close) in WRAPPERS {
                let fragment = format!("{open}{original}{close}");
                for at in &gaps {
                    out.push(Attack {
                        family: "the signed one moved away",
                        xml: inserted(&swapped, *at, &fragment),
                    });
                }
            }
        }
    }
    // The same one level up: a forged response around, before or inside the genuine one.
    let evil_response = pieces.xml.replacen(pieces.assertion, &pieces.evil("_evil", ""), 1).replacen(
        &format!("\"{}\"", pieces.response_id),
        "\"_evil-response\"",
        1,
    );
    let without = evil_response.replacen(pieces.response_signature.unwrap_or("\0"), "", 1);
    for outer in [&evil_response, &without] {
        for at in Pieces::gaps(outer) {
            for (open, close) in WRAPPERS {
                let fragment = format!("{open}{}{close}", pieces.xml);
                out.push(Attack {
                    family: "the signed response moved away",
                    xml: inserted(outer, at, &fragment),
                });
            }
        }
    }
}

/// XSW1 to XSW8 as they were first described (Somorovsky and others, 2012).
fn classic(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: String| out.push(Attack { family: "XSW1 to XSW8", xml: xml.into_bytes() });
    let bare_evil = pieces.evil("_evil", "");
    let object = |signature: &str, content: &str| {
        let close = signature.rfind("</").unwrap();
        let prefix = signature[1..].split([' ', '>', ':']).next().unwrap();
        let prefix =
            if signature.starts_with(&format!("<{prefix}:")) { format!("{prefix}:") } else { String::new() };
        format!("{}<{prefix}Object>{content}</{prefix}Object>{}", &signature[..close], &signature[close..])
    };
    if let Some(signature) = pieces.response_signature {
        let original = pieces.xml.replacen(signature, "", 1);
        let evil = pieces.xml.replacen(pieces.assertion, &bare_evil, 1);
        let renamed = evil.replacen(&format!("\"{}\"", pieces.response_id), "\"_evil-response\"", 1);
        push(renamed.replacen(signature, &object(signature, &original), 1));
        push(renamed.replacen(signature, &format!("{original}{signature}"), 1));
        push(renamed.replacen(signature, &format!("{signature}{original}"), 1));
    }
    let Some(signature) = pieces.assertion_signature else { return };
    let original = pieces.assertion.replacen(signature, "", 1);
    let place = |with: String| pieces.xml.replacen(pieces.assertion, &with, 1);
    // 3 and 4: beside and around.
    push(place(format!("{bare_evil}{}", pieces.assertion)));
    push(place(format!("{}{bare_evil}", pieces.assertion)));
    let open = open_tag(&bare_evil);
    push(place(format!("{}{}{}", &bare_evil[..open], pieces.assertion, &bare_evil[open..])));
    // 5 and 6: the forged one carries the genuine signature.
    let signed_evil = pieces.evil("_evil", signature);
    push(place(format!("{signed_evil}{original}")));
    push(place(pieces.evil("_evil", &object(signature, &original))));
    push(place(pieces.evil("_evil", &object(signature, pieces.assertion))));
    // 7 and 8: extensions and objects.
    let extensions = format!(
        "<samlp:Extensions xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">{bare_evil}</samlp:Extensions>"
    );
    push(place(format!("{extensions}{}", pieces.assertion)));
    let status = pieces.document.root_element().children().find(|node| node.tag_name().name() == "Status");
    let at = status.unwrap().range().start;
    push(String::from_utf8(inserted(pieces.xml, at, &extensions)).unwrap());
    push(place(pieces.assertion.replacen(signature, &object(signature, &bare_evil), 1)));
}

/// Markup that some readers skip and others stop at, at every position of every text and value.
fn splits(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let markup = ["<!-- -->", "<!---->", "<?x y?>", "<?x?>", "<![CDATA[]]>", "<![CDATA[x]]>", "<x/>"];
    for text in pieces.document.descendants().filter(Node::is_text) {
        let range = text.range();
        // Long base64 is split at a few places, everything else at every place.
        let step = if range.len() > 200 { range.len() / 8 } else { 1 };
        for at in (range.start..=range.end).step_by(step.max(1)) {
            if !pieces.xml.is_char_boundary(at)
                || inside_reference(&pieces.xml[range.clone()], at - range.start)
            {
                continue;
            }
            for split in markup {
                out.push(Attack {
                    family: "comments, CDATA and instructions",
                    xml: inserted(pieces.xml, at, split),
                });
            }
        }
    }
    let name = format!(">{}<", pieces.name);
    for hidden in [
        format!(">{}<!-- -->.evil<", pieces.name),
        format!("><![CDATA[{}]]><", pieces.name),
        format!(">{FORGED}<!--{}--><", pieces.name),
        format!(">&{};<", pieces.name),
        format!(">{}\u{0}<", pieces.name),
        format!(">{}\u{200b}<", pieces.name),
        format!(">{}\u{202e}<", pieces.name),
        format!(">{} <", pieces.name),
        format!(">\n{}<", pieces.name),
    ] {
        out.push(Attack {
            family: "comments, CDATA and instructions",
            xml: pieces.xml.replacen(&name, &hidden, 1).into_bytes(),
        });
    }
}

fn inside_reference(text: &str, at: usize) -> bool {
    let before = &text[..at];
    before.rfind('&').is_some_and(|start| !before[start..].contains(';'))
}

/// Second, misspelled and foreign identifiers.
fn identifiers(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: String| out.push(Attack { family: "identifiers", xml: xml.into_bytes() });
    let elements = pieces.document.descendants().filter(Node::is_element);
    let starts: Vec<_> = elements.map(|node| (node.range().start, node.tag_name().name())).collect();
    for (start, name) in starts {
        let end = pieces.xml[start..].find([' ', '>', '/']).unwrap() + start;
        for spelled in ["ID", "Id", "id", "xml:id", "wsu:Id", "iD"] {
            for value in [pieces.id, pieces.response_id, "_evil"] {
                // The schema allows a signature this one, and nothing refers to it.
                if (name, spelled, value) == ("Signature", "Id", "_evil") {
                    continue;
                }
                let space = if spelled.starts_with("wsu") { " xmlns:wsu=\"urn:wsu\"" } else { "" };
                let attribute = format!("{space} {spelled}=\"{value}\"");
                push(String::from_utf8(inserted(pieces.xml, end, &attribute)).unwrap());
            }
        }
    }
    push(pieces.xml.replacen(&format!("\"{}\"", pieces.response_id), &format!("\"{}\"", pieces.id), 1));
}

/// Other algorithms, transforms and references than those that were signed.
fn algorithms(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: String| out.push(Attack { family: "algorithms", xml: xml.into_bytes() });
    let others = [
        "http://www.w3.org/2000/09/xmldsig#sha1",
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        "http://www.w3.org/2001/04/xmlenc#sha512",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "",
        "none",
    ];
    for node in pieces.document.descendants().filter(Node::is_element) {
        if let Some(attribute) = node.attribute_node("Algorithm") {
            let range = attribute.range_value();
            for other in others.iter().filter(|other| **other != attribute.value()) {
                push([&pieces.xml[..range.start], other, &pieces.xml[range.end..]].concat());
            }
        }
        if node.tag_name().name() == "Reference" {
            let range = node.attribute_node("URI").unwrap().range_value();
            for uri in ["", "#", "#_evil", "#xpointer(/)", "https://evil.example/", "#xpointer(id('x'))"] {
                push([&pieces.xml[..range.start], uri, &pieces.xml[range.end..]].concat());
            }
        }
    }
}

/// Signatures and their parts left out, doubled, emptied, exchanged.
fn signatures(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: String| out.push(Attack { family: "signatures", xml: xml.into_bytes() });
    let name = (format!(">{}<", pieces.name), format!(">{FORGED}<"));
    let forged = pieces.xml.replacen(&name.0, &name.1, 1);
    let signatures: Vec<&str> =
        [pieces.assertion_signature, pieces.response_signature].into_iter().flatten().collect();
    push(forged.clone());
    for signature in &signatures {
        push(forged.replacen(signature, "", 1));
        push(forged.replacen(signature, &signature.repeat(2), 1));
        push(pieces.xml.replacen(signature, &signature.repeat(2), 1));
    }
    push(signatures.iter().fold(forged.clone(), |xml, signature| xml.replacen(signature, "", 1)));
    for node in pieces.document.descendants().filter(Node::is_element) {
        let range = node.range();
        let part = &pieces.xml[range.clone()];
        let with = |text: &str| [&pieces.xml[..range.start], text, &pieces.xml[range.end..]].concat();
        match node.tag_name().name() {
            "SignedInfo"
            | "Reference"
            | "Transforms"
            | "CanonicalizationMethod"
            | "SignatureMethod"
            | "DigestMethod" => {
                push(with(""));
                push(with(&part.repeat(2)));
            }
            "DigestValue" | "SignatureValue" => {
                let open = open_tag(part);
                let close = part.rfind("</").unwrap();
                for value in ["", "AAAA", "!", "====", "<x/>"] {
                    push(with(&format!("{}{value}{}", &part[..open], &part[close..])));
                }
                push(with(""));
                push(with(&part.repeat(2)));
                // A digest that another reader would take from inside a comment.
                push(with(&format!("{}<!--{}-->{}", &part[..open], "AAAA", &part[open..])));
            }
            _ => {}
        }
    }
}

/// Document types, entities, encodings, bombs.
fn prologues(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: Vec<u8>| out.push(Attack { family: "document types and bombs", xml });
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"&l{0};&l{0};&l{0};&l{0};\">", n - 1)).collect();
    for doctype in [
        "<!DOCTYPE r>".to_owned(),
        "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>".to_owned(),
        "<!DOCTYPE r [<!ENTITY % x SYSTEM \"http://127.0.0.1:1/x\"> %x;]>".to_owned(),
        "<!DOCTYPE r PUBLIC \"x\" \"http://127.0.0.1:1/x\">".to_owned(),
        format!("<!DOCTYPE r [<!ENTITY l0 \"lol\">{laughs}]>"),
        "<!DOCTYPE r [<!ATTLIST NameID x CDATA \"y\">]>".to_owned(),
        "<?xml-stylesheet href=\"x\"?>".to_owned(),
        "\u{feff}".to_owned(),
        "<?xml version=\"1.1\"?>".to_owned(),
        "<?xml version=\"1.0\" encoding=\"UTF-7\"?>".to_owned(),
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>".to_owned(),
        "<!-- -->".to_owned(),
        "x".to_owned(),
    ] {
        push(format!("{doctype}{}", pieces.xml).into_bytes());
    }
    push(pieces.xml.encode_utf16().flat_map(u16::to_be_bytes).collect());
    push(format!("{}{}", pieces.xml, pieces.xml).into_bytes());
    push(format!("{}<x/>", pieces.xml).into_bytes());
    push(format!("{}<!-- -->", pieces.xml).into_bytes());
    let root = open_tag(pieces.xml);
    for (open, close, times) in
        [("<a>", "</a>", 20_000), ("<a/>", "", 30_000), ("<a b=\"c\" d=\"e\">", "</a>", 100)]
    {
        let bomb = format!("{}{}", open.repeat(times), close.repeat(times));
        push(inserted(pieces.xml, root, &bomb));
    }
    push(pieces.xml.as_bytes()[..pieces.xml.len() / 2].to_vec());
    push(Vec::new());
    push(pieces.xml.replacen("alice", "al\u{0}ice", 1).replacen('>', "\u{1}>", 1).into_bytes());
}

/// Names that look right and are not.
fn namespaces(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: String| out.push(Attack { family: "namespaces", xml: xml.into_bytes() });
    let saml = "urn:oasis:names:tc:SAML:2.0:assertion";
    let samlp = "urn:oasis:names:tc:SAML:2.0:protocol";
    let ds = "http://www.w3.org/2000/09/xmldsig#";
    for known in [saml, samlp, ds] {
        for other in [
            known.to_uppercase(),
            format!("{known}/"),
            format!("{known} "),
            "relative".to_owned(),
            String::new(),
            "urn:é".to_owned(),
        ] {
            push(pieces.xml.replacen(&format!("\"{known}\""), &format!("\"{other}\""), 1));
            push(pieces.xml.replace(&format!("\"{known}\""), &format!("\"{other}\"")));
        }
    }
    let root = open_tag(pieces.xml) - 1;
    for declared in [
        "xmlns:zz=\"relative\"",
        "xmlns:zz=\"\"",
        "xmlns:xml=\"urn:x\"",
        "xmlns:xmlns=\"urn:x\"",
        "xml:base=\"https://evil.example/\"",
    ] {
        push(String::from_utf8(inserted(pieces.xml, root, &format!(" {declared}"))).unwrap());
    }
    // The forged assertion under another name, and under the right name in another namespace.
    let evil = pieces.evil("_evil", "");
    let foreign = format!("<Assertion xmlns=\"urn:x\">{evil}</Assertion>");
    for at in Pieces::gaps(pieces.xml) {
        push(String::from_utf8(inserted(pieces.xml, at, &foreign)).unwrap());
    }
}

/// Each element of the assertion twice, with and without the forger's name in the copy, in its own namespace
/// and in a foreign one; and parts of the schema that name a subject in another way.
fn repetitions(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: Vec<u8>| out.push(Attack { family: "parts repeated and exchanged", xml });
    let root = pieces.document.root_element();
    let assertion = local(root, "Assertion").expect("a plain assertion");
    let ds = "http://www.w3.org/2000/09/xmldsig#";
    let inside = assertion.descendants().filter(|node| node.is_element() && *node != assertion);
    for node in inside.filter(|node| node.tag_name().namespace() != Some(ds)) {
        let range = node.range();
        let part = &pieces.xml[range.clone()];
        let forged = part.replace(&pieces.name, FORGED);
        let foreign = format!("<{0} xmlns=\"urn:x\">{FORGED}</{0}>", node.tag_name().name());
        for copy in [part, forged.as_str(), foreign.as_str()] {
            push(inserted(pieces.xml, range.start, copy));
            push(inserted(pieces.xml, range.end, copy));
            if copy != part {
                push([&pieces.xml[..range.start], copy, &pieces.xml[range.end..]].concat().into_bytes());
            }
        }
        push([&pieces.xml[..range.start], &pieces.xml[range.end..]].concat().into_bytes());
    }
    let name = local(local(assertion, "Subject").unwrap(), "NameID").unwrap().range();
    let saml = "xmlns:s=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
    for other in [
        format!("<s:BaseID {saml}>{FORGED}</s:BaseID>"),
        format!(
            "<s:EncryptedID {saml}><x:EncryptedData xmlns:x=\"http://www.w3.org/2001/04/xmlenc#\"/></s:EncryptedID>"
        ),
        format!("<s:NameID {saml} SPProvidedID=\"{FORGED}\">{FORGED}</s:NameID>"),
        format!("<s:NameID {saml}><s:NameID>{FORGED}</s:NameID></s:NameID>"),
    ] {
        push(inserted(pieces.xml, name.start, &other));
        push(inserted(pieces.xml, name.end, &other));
        push([&pieces.xml[..name.start], &other, &pieces.xml[name.end..]].concat().into_bytes());
    }
}

/// Attributes that a lenient reader takes for others, on every element, and values with what a lenient reader
/// drops: blanks, controls, references to what nobody declared.
fn attributes(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: Vec<u8>| out.push(Attack { family: "attributes", xml });
    for node in pieces.document.descendants().filter(Node::is_element) {
        let start = node.range().start;
        let end = pieces.xml[start..].find([' ', '>', '/']).unwrap() + start;
        for extra in [
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x\"",
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"",
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"urn:x https://evil.example/\"",
            "xml:lang=\"en\"",
            "xml:space=\"preserve\"",
            "xmlns:q=\"urn:oasis:names:tc:SAML:2.0:assertion\" q:Recipient=\"https://evil.example/\"",
            "xmlns:q=\"urn:oasis:names:tc:SAML:2.0:protocol\" q:ID=\"_evil\"",
            "Unheard=\"of\"",
        ] {
            push(inserted(pieces.xml, end, &format!(" {extra}")));
        }
        for attribute in node.attributes() {
            let range = attribute.range_value();
            for tail in [
                " ", "\t", "\n", "&#32;", "&#13;", "&#10;", "&#0;", "&#xD800;", "&#1;", "&nbsp;", "&x;",
                "\u{a0}",
            ] {
                push(inserted(pieces.xml, range.end, tail));
                push(inserted(pieces.xml, range.start, tail));
            }
            let whole = &pieces.xml[attribute.range()];
            push(inserted(pieces.xml, attribute.range().end, &format!(" {whole}")));
        }
    }
}

/// More than any reader should take: attributes, namespaces, prefixes, depth; and lists of prefixes that name
/// what is not there, what is reserved, or the same thing again.
fn quantities(pieces: &Pieces<'_>, out: &mut Vec<Attack>) {
    let mut push = |xml: Vec<u8>| out.push(Attack { family: "quantities and prefix lists", xml });
    let declared = |of: usize, count: usize| -> String {
        (0..count).map(|n| format!(" xmlns:p{of}x{n}=\"a:{of}x{n}\"")).collect()
    };
    let many: String = (0..1_500).map(|n| format!(" a{n}=\"\"")).collect();
    for node in pieces.document.descendants().filter(Node::is_element) {
        let start = node.range().start;
        let at = pieces.xml[start..].find([' ', '>', '/']).unwrap() + start;
        push(inserted(pieces.xml, at, &many));
        push(inserted(pieces.xml, at, &declared(0, 800)));
    }
    let levels: String = (0..30).map(|level| format!("<a{}>", declared(level, 30))).collect();
    let seen_by_many = format!("{levels}{}{}", "<b/>".repeat(300), "</a>".repeat(30));
    let deep = format!("{}{}", "<a>".repeat(4_000), "</a>".repeat(4_000));
    for at in Pieces::gaps(pieces.xml).iter().step_by(5) {
        push(inserted(pieces.xml, *at, &seen_by_many));
        push(inserted(pieces.xml, *at, &deep));
    }
    let lists = [
        "",
        "#default",
        "#default #default",
        "xml",
        "xmlns",
        "saml samlp ds xs xsi",
        "zz",
        " \t\n ",
        "a b".repeat(2_000).leak(),
    ];
    for node in pieces.document.descendants().filter(Node::is_element) {
        if !matches!(node.tag_name().name(), "CanonicalizationMethod" | "Transform") {
            continue;
        }
        let (start, part) = (node.range().start, &pieces.xml[node.range()]);
        let open = open_tag(part);
        let tag = part[1..].split([' ', '>', '/']).next().unwrap();
        for list in lists {
            let listed = format!(
                "<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{list}\"/>"
            );
            let with = match part[..open].strip_suffix("/>") {
                Some(open) => format!("{open}>{listed}</{tag}>{}", &part[part.len()..]),
                None => format!("{}{listed}{}", &part[..open], &part[open..]),
            };
            push([&pieces.xml[..start], &with, &pieces.xml[start + part.len()..]].concat().into_bytes());
        }
    }
}
