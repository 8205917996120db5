"""Exclusive canonicalization against libxml2: on every provider's documents, on XML files of this
machine with their comments and instructions taken out, and on documents made at random."""

import random
from pathlib import Path

from lxml import etree

FOLDERS = ["/usr/share", "/usr/lib/python3"]
FILES, RANDOM, LARGEST = 1500, 2500, 256 * 1024
PARSER = {"resolve_entities": False, "no_network": True, "load_dtd": False}


def machine_files():
    found = []
    for folder in FOLDERS:
        for kind in ("*.xml", "*.svg", "*.xsl", "*.xsd", "*.docbook", "*.page"):
            for path in sorted(Path(folder).rglob(kind)):
                if path.is_file() and path.stat().st_size <= LARGEST:
                    found.append(path)
    random.Random(1).shuffle(found)
    return found


def bare(path):
    """The document of a file without comments, instructions and document type; None when it has none."""
    try:
        root = etree.parse(str(path), etree.XMLParser(remove_comments=True, remove_pis=True, **PARSER)).getroot()
        return etree.tostring(root, encoding="utf-8", with_tail=False)
    except (etree.XMLSyntaxError, OSError, ValueError):
        return None


PREFIXES = ["", "a", "b", "c", "ds", "saml"]
URIS = ["urn:one", "urn:two", "http://three.example/#x", "urn:q?a=b;c(d)"]
TEXTS = ["", " ", "x", "é\U0001f600", "&amp;&lt;&gt;", "&#13;&#10;&#9;", '"\'', "\n  ", "]]&gt;"]


def made(source, depth=0, scope=None):
    """A random element. Every prefix that it uses is declared."""
    scope = dict(scope or {})
    declared = {}
    for prefix in PREFIXES:
        if source.random() < 0.25:
            uri = "" if prefix == "" and source.random() < 0.3 else source.choice(URIS)
            declared[prefix] = scope[prefix] = uri
    usable = [prefix for prefix in PREFIXES if prefix == "" or prefix in scope]
    name = source.choice(usable)
    qualified = lambda prefix, local: f"{prefix}:{local}" if prefix else local
    tag = qualified(name, source.choice("efg"))
    attributes, seen = [], set()
    for prefix, uri in declared.items():
        quote = source.choice("\"'")
        attributes.append(f"xmlns{':' if prefix else ''}{prefix}={quote}{uri}{quote}")
    for _ in range(source.randrange(4)):
        prefix, local = source.choice(usable), source.choice("xyzXé")
        key = (scope[prefix] if prefix else "", local)
        if key in seen:
            continue
        seen.add(key)
        value = source.choice(["", "v", "a  b", "\t\n", "&quot;&apos;", "&lt;&amp;", "&#9;&#10;&#13;", "é"])
        attributes.append(f'{qualified(prefix, local)}="{value}"')
    if source.random() < 0.1:
        attributes.append('xml:lang="en"')
    source.shuffle(attributes)
    spaces = lambda: source.choice([" ", "\n ", "  ", "\t"])
    opening = "<" + tag + "".join(spaces() + attribute for attribute in attributes)
    if depth > 5 or source.random() < 0.2:
        return opening + source.choice(["/>", " />", f"></{tag}>"])
    body = "".join(
        source.choice(TEXTS) + made(source, depth + 1, scope) for _ in range(source.randrange(4))
    )
    return f"{opening}>{body}{source.choice(TEXTS)}</{tag}{source.choice(['', ' '])}>"


def compare(work, judge):
    folder = work / "c14n"
    folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(20261122)
    cases = []

    def add(octets, prefixes):
        path = folder / f"{len(cases)}.xml"
        path.write_bytes(octets)
        cases.append((path, prefixes))

    for genuine in sorted(work.glob("*/genuine.xml")) + sorted(work.glob("*/sp.xml")):
        add(genuine.read_bytes(), [])
        add(genuine.read_bytes(), ["xs", "saml", "#default"])
    provider_files = len(cases)
    for path in machine_files():
        if len(cases) - provider_files >= FILES:
            break
        octets = bare(path)
        if octets:
            add(octets, [])
    for _ in range(RANDOM):
        listed = source.sample(["#default", *PREFIXES[1:], "unknown"], source.randrange(4))
        add(made(source).encode(), listed)
    # lxml drops listed prefixes that no document has ever named; this document names the token.
    etree.HTML('<p #default="">')
    listing = folder / "list"
    listing.write_text("".join(f"{' '.join(prefixes)}\t{path}\n" for path, prefixes in cases))
    judge("c14n", listing)
    equal = differ = refused = unread = 0
    for path, prefixes in cases:
        ours = Path(f"{path}.ours")
        try:
            root = etree.fromstring(path.read_bytes(), etree.XMLParser(**PARSER))
            theirs = etree.tostring(
                root, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes or None
            )
        except (etree.XMLSyntaxError, etree.C14NError):
            unread += 1
            continue
        if not ours.exists():
            refused += 1
        elif ours.read_bytes() == theirs:
            equal += 1
        else:
            differ += 1
            if differ <= 10:
                print(f"  differs: {path}")
    print(f"exclusive canonicalization: {equal} equal, {differ} differ, {refused} refused by us, {unread} by libxml2")
    return {"c14n_equal": equal, "c14n_differ": differ, "c14n_refused": refused}
