//! XML as this crate admits it: one parser, and less than XML allows.
//!
//! Before the parser sees a byte, everything is refused that has carried attacks on SAML: document
//! types, entities, comments, CDATA sections, processing instructions, other encodings. What remains
//! has exactly one reading: elements, attributes and text.

use std::collections::BTreeSet;

use roxmltree::{Document, Namespace, Node, ParsingOptions};

use super::bounds;
use super::refusal::Refusal;

/// The most octets of a message, after base64 and inflating.
pub(crate) const MESSAGE_LIMIT: usize = 256 * 1024;
/// The most nodes of a message.
const NODE_LIMIT: u32 = 5_000;
/// The deepest nesting. Genuine responses stay under 15.
const DEPTH_LIMIT: usize = 40;
/// The longest name of an element, attribute or prefix.
const NAME_LIMIT: usize = 128;

/// Namespaces of the elements that may occur in a message.
pub(crate) mod ns {
    pub(crate) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
    pub(crate) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
    pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
    pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
    pub(crate) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
    pub(crate) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
    pub(crate) const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
    pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
    pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
}

/// An admitted document.
#[derive(Debug)]
pub(crate) struct Tree<'a>(Document<'a>);

impl<'a> Tree<'a> {
    /// Parses octets under all the rules of this page.
    pub(crate) fn parse(octets: &'a [u8]) -> Result<Self, Refusal> {
        let tree = Self::parse_plain(octets, MESSAGE_LIMIT, NODE_LIMIT)?;
        tree.check_names()?;
        Ok(tree)
    }

    /// Parses octets under the rules that keep canonicalization exact, with limits of the caller's and
    /// without those on names: for documents that are not messages.
    pub(crate) fn parse_plain(octets: &'a [u8], limit: usize, nodes: u32) -> Result<Self, Refusal> {
        if octets.len() > limit {
            return Err(Refusal::TooLarge);
        }
        let text = std::str::from_utf8(octets).map_err(|_| Refusal::Encoding)?;
        if text.starts_with('\u{feff}') {
            return Err(Refusal::ByteOrderMark);
        }
        // The declaration is a space to the parser; taking it away here keeps the parser's own,
        // looser reading of it out of the game.
        let text = without_declaration(text)?;
        // `<` may stand nowhere else than before a tag, neither in text nor in an attribute's value.
        if text.contains("<!") {
            return Err(Refusal::Markup);
        }
        if text.contains("<?") {
            return Err(Refusal::ProcessingInstruction);
        }
        bounds::check(text)?;
        let options = ParsingOptions { allow_dtd: false, nodes_limit: nodes, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|error| match error {
            roxmltree::Error::NodesLimitReached => Refusal::Nodes,
            _ => Refusal::Xml,
        })?;
        let tree = Self(document);
        tree.check_depth()?;
        tree.check_namespaces()?;
        Ok(tree)
    }

    /// The root element.
    pub(crate) fn root(&self) -> Node<'_, 'a> {
        self.0.root_element()
    }

    /// Every element in document order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        self.0.descendants().filter(Node::is_element)
    }

    fn check_depth(&self) -> Result<(), Refusal> {
        let mut depth = 0_usize;
        let mut node = Some(self.root());
        // A walk without recursion: down, else right, else up and right.
        while let Some(here) = node {
            if depth >= DEPTH_LIMIT {
                return Err(Refusal::Depth);
            }
            if let Some(child) = here.first_element_child() {
                depth += 1;
                node = Some(child);
                continue;
            }
            let mut up = here;
            node = loop {
                if let Some(sibling) = up.next_sibling_element() {
                    break Some(sibling);
                }
                match up.parent_element() {
                    Some(parent) => up = parent,
                    None => break None,
                }
                depth = depth.saturating_sub(1);
            };
        }
        Ok(())
    }

    /// Relative namespaces make canonicalization fail in other libraries, and failing open there has
    /// been an attack; undeclared prefixes (`xmlns:a=""`) are not namespaces 1.0.
    fn check_namespaces(&self) -> Result<(), Refusal> {
        let mut declared = Distinct::default();
        for element in self.elements() {
            let attributes = element.attributes().map(|attribute| attribute.range().start);
            let mut starts = attributes.chain([element.range().start.saturating_add(1)]);
            // `:a` is no name of namespaces 1.0; the parser reads it as `a`.
            if !starts.all(|start| well_qualified(qualified_name(element, start))) {
                return Err(Refusal::Name);
            }
            if !declared.all_new(element, admitted) {
                return Err(Refusal::Namespace);
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), Refusal> {
        let plain = |name: &str| {
            name.len() <= NAME_LIMIT
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let mut declared = Distinct::default();
        for element in self.elements() {
            let mut names = element.attributes().map(|attribute| attribute.name());
            let prefixes = declared.all_new(element, |namespace| namespace.name().is_none_or(plain));
            if !plain(element.tag_name().name()) || !names.all(plain) || !prefixes {
                return Err(Refusal::Name);
            }
        }
        Ok(())
    }
}

/// The declarations that were looked at. Every element has those of its ancestors too, and the tree keeps
/// each pair of prefix and address once, so that each need be judged only once.
#[derive(Default)]
struct Distinct<'i>(BTreeSet<*const Namespace<'i>>);

impl<'i> Distinct<'i> {
    /// Whether `judge` admits every declaration in scope that no element before had.
    fn all_new(&mut self, element: Node<'_, 'i>, judge: impl Fn(&Namespace<'i>) -> bool) -> bool {
        element
            .namespaces()
            .all(|namespace| !self.0.insert(std::ptr::from_ref(namespace)) || judge(namespace))
    }
}

fn admitted(namespace: &Namespace<'_>) -> bool {
    let uri = namespace.uri();
    // Prefixes that begin like this are reserved; the parser lets `xmlns:xmlns` pass.
    let reserved = namespace
        .name()
        .is_some_and(|name| name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml")));
    if reserved && (namespace.name(), uri) != (Some("xml"), ns::XML) {
        return false;
    }
    let undeclared_default = uri.is_empty() && namespace.name().is_none();
    // What would have to be escaped: libxml2 writes `&` as it is in a declaration, so two
    // implementations would hash two documents.
    let graphic = uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"&<>\"'".contains(&byte));
    let absolute = uri.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    undeclared_default || (graphic && absolute)
}

/// The text after the XML declaration, which may be absent, and otherwise says XML 1.0 and UTF-8.
fn without_declaration(text: &str) -> Result<&str, Refusal> {
    let Some(rest) = text.strip_prefix("<?xml") else { return Ok(text) };
    let (declaration, body) = rest.split_once("?>").ok_or(Refusal::Declaration)?;
    let mut words = Vec::new();
    let mut left = declaration;
    while !left.trim_start().is_empty() {
        let trimmed = left.trim_start_matches([' ', '\t', '\r', '\n']);
        if trimmed.len() == left.len() {
            return Err(Refusal::Declaration);
        }
        let (name, after) = trimmed.split_once('=').ok_or(Refusal::Declaration)?;
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(Refusal::Declaration)?;
        let (value, after) = after
            .strip_prefix(quote)
            .and_then(|after| after.split_once(quote))
            .ok_or(Refusal::Declaration)?;
        words.push((name, value.to_ascii_lowercase()));
        left = after;
    }
    let words: Vec<(&str, &str)> = words.iter().map(|(name, value)| (*name, value.as_str())).collect();
    match words.as_slice() {
        [("version", "1.0")]
        | [("version", "1.0"), ("encoding", "utf-8")]
        | [("version", "1.0"), ("standalone", "yes" | "no")]
        | [("version", "1.0"), ("encoding", "utf-8"), ("standalone", "yes" | "no")] => Ok(body),
        _ => Err(Refusal::Declaration),
    }
}

/// The name as written in the source, with its prefix: the tree itself keeps no prefixes.
pub(crate) fn qualified_name<'a>(node: Node<'a, '_>, start: usize) -> &'a str {
    let source = node.document().input_text().get(start..).unwrap_or("");
    let ends = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>' | b'=');
    let end = source.bytes().position(ends).unwrap_or(source.len());
    source.get(..end).unwrap_or("")
}

fn well_qualified(name: &str) -> bool {
    let Some((prefix, local)) = name.split_once(':') else { return !name.is_empty() };
    !prefix.is_empty() && !local.is_empty() && !local.contains(':')
}

/// Whether an element has this expanded name.
pub(crate) fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    let tag = node.tag_name();
    tag.name() == name && tag.namespace() == Some(namespace)
}

/// The child elements with this expanded name.
pub(crate) fn children<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && is(*child, namespace, name))
}

/// The only child element with this name; `None` when there is none or another one.
pub(crate) fn only<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> Option<Node<'a, 'i>> {
    let mut found = children(node, namespace, name);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The text of an element that holds nothing but one run of text. Empty for an empty element.
pub(crate) fn text<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let mut children = node.children();
    match (children.next(), children.next()) {
        (None, _) => Some(""),
        (Some(only), None) if only.is_text() => only.text(),
        _ => None,
    }
}

/// The value of an attribute without a namespace.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
        .map(|attribute| attribute.value())
}

/// Escapes text for an element's content or a quoted attribute value.
pub(crate) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\n' => out.push_str("&#xA;"),
            '\t' => out.push_str("&#x9;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Refusal {
        Tree::parse(text.as_bytes()).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_declaration_of_utf_8_passes_and_any_other_does_not() {
        for good in [
            "<a/>",
            "<?xml version=\"1.0\"?><a/>",
            "<?xml version='1.0' encoding='utf-8' standalone=\"no\" ?>\n<a/>",
        ] {
            assert!(Tree::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "<?xml version=\"1.1\"?><a/>",
            "<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>",
            "<?xml encoding=\"UTF-8\"?><a/>",
            "<?xml version=\"1.0\"encoding=\"UTF-8\"?><a/>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" encoding=\"UTF-7\"?><a/>",
            "<?xml-stylesheet href=\"a\"?><a/>",
            "<?xml",
        ] {
            assert_eq!(refused(bad), Refusal::Declaration, "{bad}");
        }
        assert_eq!(refused("\u{feff}<a/>"), Refusal::ByteOrderMark);
        assert_eq!(Tree::parse(&[b'<', 0xe9]).unwrap_err(), Refusal::Encoding);
    }

    #[test]
    fn everything_that_could_be_read_in_two_ways_is_refused() {
        for markup in
            ["<!DOCTYPE a><a/>", "<a>b<!-- c -->d</a>", "<a><![CDATA[b]]></a>", "<a/><!---->", "<a b='<!'/>"]
        {
            assert_eq!(refused(markup), Refusal::Markup, "{markup}");
        }
        assert_eq!(refused("<a>b<?p?>c</a>"), Refusal::ProcessingInstruction);
        for broken in ["", "<a", "<a></b>", "<a b='1' b='2'/>", "<a>&x;</a>", "<a/><b/>", "<p:a/>", "a<a/>"] {
            assert_eq!(refused(broken), Refusal::Xml, "{broken}");
        }
    }

    #[test]
    fn namespaces_are_absolute_and_names_are_ascii() {
        for bad in [
            "<a xmlns='urn:b?c&amp;d'/>",
            "<a xmlns='b'/>",
            "<a xmlns:p='../b'/>",
            "<a xmlns:p='urn:é'/>",
            "<a xmlns:p=''/>",
        ] {
            assert!(matches!(refused(bad), Refusal::Namespace | Refusal::Xml), "{bad}");
        }
        for reserved in ["<a xmlns:xmlns='urn:b'/>", "<a xmlns:XMLfoo='urn:b'/>", "<a xmlns:xml='urn:b'/>"] {
            assert!(matches!(refused(reserved), Refusal::Namespace | Refusal::Xml), "{reserved}");
        }
        for colons in
            ["<a:b:c xmlns:a='urn:a'/>", "<:a/>", "<a:/>", "<a xmlns:p='urn:p' p:q:r='1'/>", "<a :b='1'/>"]
        {
            assert!(matches!(refused(colons), Refusal::Name | Refusal::Xml), "{colons}");
        }
        assert_eq!(refused("<a é='1'/>"), Refusal::Name);
        assert_eq!(refused("<é/>"), Refusal::Name);
    }

    #[test]
    fn size_nodes_and_depth_have_limits() {
        assert_eq!(refused(&format!("<a>{}</a>", "x".repeat(MESSAGE_LIMIT))), Refusal::TooLarge);
        assert_eq!(refused(&format!("<a>{}</a>", "<b/>".repeat(5_000))), Refusal::Nodes);
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(refused(&deep(41)), Refusal::Depth);
        assert!(Tree::parse(deep(40).as_bytes()).is_ok());
    }

    #[test]
    fn attributes_and_namespaces_that_would_cost_their_square_are_refused_unread() {
        let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(refused(&format!("<a{attributes}/>")), Refusal::Attributes);
        let declared = |from: usize, to: usize| -> String {
            (from..to).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect()
        };
        assert_eq!(refused(&format!("<a{}/>", declared(0, 65))), Refusal::Attributes);
        // What is in scope adds up, whatever stands between and however it is written.
        let (outer, inner) = (declared(0, 40), declared(40, 65));
        assert_eq!(refused(&format!("<a{outer}><b c='>'/>x<b{inner}/></a>")), Refusal::Namespaces);
        let spaced = inner.replace("='", " =\n\"").replace('\'', "\"");
        assert_eq!(refused(&format!("<a{outer}><b{spaced}></b></a>")), Refusal::Namespaces);
        // Side by side it does not, and as many as are allowed are read.
        let beside = format!("<a{}>{}</a>", declared(0, 39), format!("<b{inner}/>").repeat(50));
        assert!(Tree::parse(beside.as_bytes()).is_ok());
    }
}
