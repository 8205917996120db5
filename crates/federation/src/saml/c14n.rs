//! Exclusive XML canonicalization 1.0 without comments (W3C, 18 July 2002), of one element and all
//! that is below it, with at most one subtree left out: the enveloped signature.
//!
//! It cannot fail: it takes nodes of an admitted [`Tree`](super::xml::Tree), which has no comments,
//! processing instructions, document type or relative namespaces.

use roxmltree::{Node, NodeId};

use super::refusal::Refusal;
use super::xml::{Tree, ns, qualified_name};

/// The canonical octets of an element.
///
/// `prefixes` is the `InclusiveNamespaces PrefixList`, split at spaces; the default namespace is
/// written `#default` there.
pub(crate) fn exclusive(apex: Node<'_, '_>, leave_out: Option<NodeId>, prefixes: &[&str]) -> Vec<u8> {
    let mut writer = Writer { leave_out, prefixes, rendered: Vec::new(), out: Vec::with_capacity(4096) };
    writer.element(apex);
    writer.out
}

/// The exclusive canonical form of a whole document, for comparison with other implementations.
///
/// # Errors
/// When the document is outside of what this crate admits: comments, processing instructions, a
/// document type, an encoding other than UTF-8, relative namespaces.
pub fn canonicalize(document: &[u8], prefixes: &[&str]) -> Result<Vec<u8>, Refusal> {
    let tree = Tree::parse_plain(document, 16 * 1024 * 1024, 1_000_000)?;
    Ok(exclusive(tree.root(), None, prefixes))
}

struct Writer<'a> {
    leave_out: Option<NodeId>,
    prefixes: &'a [&'a str],
    /// The declarations written by the elements that are open now, innermost last.
    rendered: Vec<(&'a str, &'a str)>,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Depth is bounded by the tree, so recursion is.
    fn element(&mut self, node: Node<'a, '_>) {
        let name = qualified_name(node, node.range().start.saturating_add(1));
        let outer = self.rendered.len();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());

        let mut attributes: Vec<_> = node
            .attributes()
            .map(|attribute| {
                let name = qualified_name(node, attribute.range().start);
                ((attribute.namespace().unwrap_or(""), attribute.name()), name, attribute.value())
            })
            .collect();
        attributes.sort_unstable_by_key(|(key, _, _)| *key);

        let named =
            attributes.iter().filter_map(|(_, name, _)| name.split_once(':')).map(|(prefix, _)| prefix);
        self.namespaces(node, prefix_of(name), named);
        for (_, name, value) in &attributes {
            self.attribute(name, value);
        }
        self.out.push(b'>');
        for child in node.children() {
            if child.is_element() {
                if Some(child.id()) != self.leave_out {
                    self.element(child);
                }
            } else if let Some(text) = child.text() {
                escape(text, false, &mut self.out);
            }
        }
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        self.rendered.truncate(outer);
    }

    /// Declares what this element uses visibly, and the listed prefixes, unless an open element
    /// already said the same.
    fn namespaces(&mut self, node: Node<'a, '_>, own: &'a str, named: impl Iterator<Item = &'a str>) {
        let mut needed: Vec<(&'a str, &'a str)> = Vec::new();
        let in_scope = |prefix: &str| node.lookup_namespace_uri((!prefix.is_empty()).then_some(prefix));
        let mut need = |prefix: &'a str, uri: &'a str| {
            let said = self.rendered.iter().rev().find(|(known, _)| *known == prefix).map(|(_, uri)| *uri);
            // A default namespace that nobody set needs no taking back.
            if said != Some(uri) && !(uri.is_empty() && said.is_none()) {
                needed.push((prefix, uri));
            }
        };
        for prefix in named.chain([own]).filter(|prefix| *prefix != "xml") {
            need(prefix, in_scope(prefix).unwrap_or(""));
        }
        for listed in self.prefixes {
            let prefix = if *listed == "#default" { "" } else { *listed };
            match in_scope(prefix) {
                Some(uri) if prefix != "xml" => need(prefix, uri),
                None if prefix.is_empty() => need("", ""),
                _ => {}
            }
        }
        // One address belongs to a prefix here, so equal prefixes are equal pairs.
        needed.sort_unstable();
        needed.dedup();
        for (prefix, uri) in needed {
            self.rendered.push((prefix, uri));
            if prefix.is_empty() {
                self.attribute("xmlns", uri);
            } else {
                self.out.extend_from_slice(b" xmlns:");
                self.out.extend_from_slice(prefix.as_bytes());
                self.quoted(uri);
            }
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.quoted(value);
    }

    fn quoted(&mut self, value: &str) {
        self.out.extend_from_slice(b"=\"");
        escape(value, true, &mut self.out);
        self.out.push(b'"');
    }
}

fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn escape(value: &str, in_attribute: bool, out: &mut Vec<u8>) {
    let mut plain = value.as_bytes();
    let special = |byte: &u8| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\t' | b'\n' | b'\r');
    while let Some(at) = plain.iter().position(special) {
        let (before, rest) = plain.split_at(at);
        out.extend_from_slice(before);
        let Some((byte, rest)) = rest.split_first() else { return };
        plain = rest;
        let written: &[u8] = match *byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' if !in_attribute => b"&gt;",
            b'"' if in_attribute => b"&quot;",
            b'\t' if in_attribute => b"&#x9;",
            b'\n' if in_attribute => b"&#xA;",
            b'\r' => b"&#xD;",
            _ => std::slice::from_ref(byte),
        };
        out.extend_from_slice(written);
    }
    out.extend_from_slice(plain);
}

/// The algorithm's identifier.
pub(crate) const ALGORITHM: &str = ns::EXC_C14N;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saml::xml::Tree;

    fn canonical(text: &str, prefixes: &[&str]) -> String {
        let tree = Tree::parse(text.as_bytes()).unwrap();
        String::from_utf8(exclusive(tree.root(), None, prefixes)).unwrap()
    }

    #[test]
    fn only_what_is_visibly_used_is_declared_and_once() {
        let text = "<a:r xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'><c><a:e b:x='1'/></c><a:f/></a:r>";
        assert_eq!(
            canonical(text, &[]),
            "<a:r xmlns:a=\"urn:a\"><c xmlns=\"urn:d\"><a:e xmlns:b=\"urn:b\" b:x=\"1\"></a:e></c><a:f></a:f></a:r>"
        );
    }

    #[test]
    fn listed_prefixes_are_declared_at_the_apex() {
        let text = "<a:r xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'><a:c/></a:r>";
        assert_eq!(
            canonical(text, &["b", "#default", "zz"]),
            "<a:r xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\"><a:c></a:c></a:r>"
        );
    }

    #[test]
    fn a_default_namespace_is_taken_back_where_it_was_set() {
        assert_eq!(
            canonical("<r xmlns='urn:d'><e xmlns=''><f/></e></r>", &[]),
            "<r xmlns=\"urn:d\"><e xmlns=\"\"><f></f></e></r>"
        );
        assert_eq!(canonical("<r xmlns=''><e/></r>", &[]), "<r><e></e></r>");
    }

    #[test]
    fn attributes_are_sorted_by_namespace_then_name_and_values_escaped() {
        assert_eq!(
            canonical(
                "<r xmlns:b='urn:a' xmlns:a='urn:b' a:y='1' b:z=\"&quot;'&#9;&#10;&#13;>&lt;&amp;\" b='2' a='3' xml:lang='x'/>",
                &[]
            ),
            "<r xmlns:a=\"urn:b\" xmlns:b=\"urn:a\" a=\"3\" b=\"2\" xml:lang=\"x\" b:z=\"&quot;'&#x9;&#xA;&#xD;>&lt;&amp;\" a:y=\"1\"></r>"
        );
    }

    #[test]
    fn text_keeps_its_line_breaks_in_the_form_that_xml_reads() {
        assert_eq!(canonical("<r>a\r\nb\rc&#13;\"&gt;\t</r>", &[]), "<r>a\nb\nc&#xD;\"&gt;\t</r>");
        assert_eq!(canonical("<r x='a\r\nb\tc'/>", &[]), "<r x=\"a b c\"></r>");
    }

    #[test]
    fn the_left_out_subtree_is_gone_and_nothing_else() {
        let tree = Tree::parse(b"<r>a<s><t/></s>b<s/></r>").unwrap();
        let signature = tree.root().first_element_child().unwrap();
        assert_eq!(exclusive(tree.root(), Some(signature.id()), &[]), b"<r>ab<s></s></r>");
    }
}
