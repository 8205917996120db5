"""Requests made from the rules themselves: for each pattern, phrase and list a value that it is about, and
values that miss it narrowly, at the places that the rule looks at. The rules' own tests are not read.

Patterns are taken apart by the parser of Python's regular expressions, which differ from PCRE in little; a
value need not match, as both engines are asked about it alike.
"""

import glob
import json
import os
import re
import re._constants as sre
import re._parser as parser

ORDINARY = [(b"Host", b"localhost"), (b"User-Agent", b"OWASP CRS test agent"), (b"Accept", b"text/html, */*")]
PLAIN = range(32, 127)
CATEGORIES = {
    sre.CATEGORY_DIGIT: "0123456789",
    sre.CATEGORY_SPACE: " \t\n\r\v\f",
    sre.CATEGORY_WORD: "aZ_09",
    sre.CATEGORY_NOT_DIGIT: "a .",
    sre.CATEGORY_NOT_SPACE: "a.(",
    sre.CATEGORY_NOT_WORD: " -(;",
}
SHORT = 300


class Maker:
    """Values of one pattern."""

    def __init__(self, chance):
        self.chance = chance
        self.groups = {}

    def value(self, pattern):
        pattern = re.sub(r"\\x\{([0-9a-f]{2})\}", r"\\x\1", pattern).replace(r"\z", r"\Z")
        parsed = parser.parse(pattern)
        self.groups = {}
        value = self.sequence(parsed)
        if parsed.state.flags & re.IGNORECASE and self.chance.random() < 0.5:
            value = "".join(self.chance.choice((c.lower(), c.upper() if c.isascii() else c)) for c in value)
        return value.encode("latin-1", "replace")[:SHORT]

    def sequence(self, items):
        return "".join(self.item(kind, of) for kind, of in items)

    def item(self, kind, of):
        chance = self.chance
        if kind is sre.LITERAL:
            return chr(of)
        if kind is sre.NOT_LITERAL:
            return chr(chance.choice([c for c in PLAIN if c != of]))
        if kind is sre.ANY:
            return chr(chance.choice(PLAIN))
        if kind is sre.IN:
            return self.one_of(of)
        if kind is sre.BRANCH:
            return self.sequence(chance.choice(of[1]))
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, inner = of
            most = min(int(most), least + chance.choice((0, 0, 1, 1, 2, 4)))
            return "".join(self.sequence(inner) for _ in range(chance.randint(least, max(least, most))))
        if kind is sre.SUBPATTERN:
            group, _, _, inner = of
            self.groups[group] = self.sequence(inner)
            return self.groups[group]
        if kind is sre.ATOMIC_GROUP:
            return self.sequence(of)
        if kind is sre.ASSERT:
            return self.sequence(of[1])
        if kind is sre.GROUPREF:
            return self.groups.get(of, "")
        return ""

    def one_of(self, items):
        allowed, negated = [], False
        for kind, of in items:
            if kind is sre.NEGATE:
                negated = True
            elif kind is sre.LITERAL:
                allowed.append(of)
            elif kind is sre.RANGE:
                allowed.extend(range(of[0], min(of[1], 255) + 1))
            elif kind is sre.CATEGORY:
                allowed.extend(map(ord, CATEGORIES[of]))
        if negated:
            allowed = [c for c in [*PLAIN, 9, 10, 13] if c not in set(allowed)] or [32]
        return chr(self.chance.choice(allowed))


def rules(folder):
    """(id, targets, operator, argument) of each rule and each link of a chain that looks at a request or response."""
    for path in sorted(glob.glob(f"{folder}/rules/*.conf")):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file.read().split("\n") if not line.lstrip().startswith("#")]
        of = 0
        for directive in "\n".join(lines).replace("\\\n", " ").split("\n"):
            found = re.match(r'\s*SecRule\s+(\S+)\s+"(!?)(?:@(\w+)\s?)?((?:[^"\\]|\\.)*)"(.*)', directive)
            if not found:
                continue
            targets, _, operator, argument, actions = found.groups()
            known = re.search(r"\bid:(\d+)", actions)
            of = int(known.group(1)) if known else of
            yield of, targets.split("|"), operator or "rx", argument.replace('\\"', '"'), actions


def phrases(folder, operator, argument):
    if operator == "pmFromFile":
        found = []
        for name in argument.split():
            with open(os.path.join(folder, "rules", name), "rb") as file:
                found += [line for line in file.read().split(b"\n") if line.strip() and not line.startswith(b"#")]
        return found
    return [word.encode() for word in argument.split()]


def values(folder, operator, argument, chance, count):
    """Values that an operator is about."""
    maker = Maker(chance)
    if operator == "rx":
        try:
            return [maker.value(argument) for _ in range(count)]
        except (re.error, KeyError, OverflowError):
            return []
    if operator in ("pm", "pmFromFile"):
        known = phrases(folder, operator, argument)
        return [chance.choice(known) for _ in range(count)] if known else []
    if operator in ("contains", "streq", "beginsWith", "endsWith", "within") and "%{" not in argument:
        return [argument.encode()] * max(1, count // 4)
    if operator == "validateByteRange":
        return [bytes([97, chance.randrange(256), 98]) for _ in range(count)]
    if operator == "validateUrlEncoding":
        return [b"%" + bytes(chance.choices(b"0aFgz%", k=chance.randrange(3))) for _ in range(count)]
    if operator == "validateUtf8Encoding":
        return [bytes(chance.choices(b"a\xc0\xc3\xe2\xed\xf0\xf5\x80\x82\xac\xbf", k=chance.randrange(1, 6))) for _ in range(count)]
    return []


def changed(value, chance):
    """The value as it is, or in other words, or nearly."""
    kind = chance.randrange(16)
    at = chance.randrange(len(value) + 1)
    entity = lambda: b"".join(b"&#%d;" % byte if chance.random() < 0.3 else bytes([byte]) for byte in value)
    escaped = lambda: b"".join(b"\\x%02x" % byte if chance.random() < 0.2 else bytes([byte]) for byte in value)
    if kind == 0:
        return value[:at] + value[at + 1:]
    if kind == 1:
        return value[:at] + chance.choice((b" ", b"\t", b"/**/", b"'", b'"', b"\\", b"^", b"\0", b"+", b"\n", b"\xa0")) + value[at:]
    if kind == 2:
        return b"".join(b"%%%02x" % byte for byte in value)
    if kind == 3:
        return entity()
    if kind == 4:
        return escaped()
    if kind == 5:
        return b"".join(b"\\u00%02x" % byte if chance.random() < 0.2 else bytes([byte]) for byte in value)
    if kind == 6:
        return chance.choice((b"a", b"json.", b"x=", b"1 ", b";", b"\n", b"ab c ")) + value
    if kind == 7:
        return value + chance.choice((b"a", b" ", b";", b"\r\n", b"=1", b"?", b" b c", b"\0"))
    if kind == 8:
        return value.swapcase()
    return value


def percent(value, keep=b""):
    return b"".join(bytes([byte]) if byte < 128 and (chr(byte).isalnum() or byte in keep) else b"%%%02x" % byte for byte in value)


def line(value):
    """What can stand in a field of a head."""
    return value.replace(b"\0", b"").replace(b"\r", b" ").replace(b"\n", b" ").strip()


def written(method, target, fields, body=b"", protocol=b"HTTP/1.1"):
    if body and not any(name.lower() == b"content-length" for name, _ in fields):
        fields = [*fields, (b"Content-Length", str(len(body)).encode())]
    hexed = [[name.hex(), value.hex()] for name, value in fields]
    return {"method": method.hex(), "target": target.hex(), "protocol": protocol.hex(), "headers": hexed, "body": body.hex()}


def posted(kind, body, target=b"/post"):
    return written(b"POST", target, [*ORDINARY, (b"Content-Type", kind)], body)


def multipart(head, value):
    body = b"--b0\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + value + b"\r\n--b0--\r\n"
    return posted(b"multipart/form-data; boundary=b0", body)


def xml(text, attribute):
    letters = {38: b"&amp;", 60: b"&lt;", 62: b"&gt;", 34: b"&quot;"}
    safe = lambda value: b"".join(letters.get(byte, bytes([byte])) for byte in value if byte in (9, 10, 13) or 32 <= byte < 127)
    return posted(b"application/xml", b'<?xml version="1.0"?><a b="' + safe(attribute) + b'">' + safe(text) + b"</a>")


def field_named(name, value):
    name = name.encode()
    return written(b"GET", b"/get", [*(field for field in ORDINARY if field[0].lower() != name.lower()), (name, line(value))])


def asked(target, value, chance):
    """A request that has a value at a place that rules name so; none if there is no way to put it there."""
    name, _, selector = target.lstrip("&!").partition(":")
    pick = chance.choice
    if name in ("ARGS", "ARGS_GET", "ARGS_POST"):
        if selector and not selector.startswith("/"):
            return written(b"GET", b"/get?" + selector.encode() + b"=" + percent(value), ORDINARY)
        kinds = [
            lambda: written(b"GET", b"/get?x=" + percent(value), ORDINARY),
            lambda: written(b"GET", b"/get?x=" + percent(value, b"-_.~!$'()*,;:@/?"), ORDINARY),
            lambda: posted(b"application/x-www-form-urlencoded", b"x=" + percent(value)),
            lambda: posted(b"application/json", json.dumps({"x": value.decode("latin-1")}).encode()),
            lambda: multipart(b'name="x"', line(value)),
        ]
        return pick(kinds)()
    if name == "ARGS_NAMES":
        kinds = [
            lambda: written(b"GET", b"/get?" + percent(value) + b"=1", ORDINARY),
            lambda: posted(b"application/x-www-form-urlencoded", percent(value) + b"=1&y=2"),
            lambda: posted(b"application/json", json.dumps({value.decode("latin-1"): "1"}).encode()),
        ]
        return pick(kinds)()
    if name == "REQUEST_COOKIES":
        return written(b"GET", b"/get", [*ORDINARY, (b"Cookie", b"c=" + line(value).replace(b";", b"%3b"))])
    if name == "REQUEST_COOKIES_NAMES":
        return written(b"GET", b"/get", [*ORDINARY, (b"Cookie", line(value).replace(b";", b"%3b") + b"=1")])
    if name == "REQUEST_HEADERS":
        if selector.startswith("/") or not selector:
            return field_named(pick(("X-Other", "Referer", "User-Agent", "Accept", "X-Filename")), value)
        return field_named(selector.replace("X.File", "X-File"), value)
    if name in ("REQUEST_FILENAME", "REQUEST_BASENAME", "REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_LINE"):
        if name in ("REQUEST_FILENAME", "REQUEST_BASENAME") or chance.random() < 0.5:
            return written(b"GET", b"/" + percent(value, b"-_.~!$'()*,;:@/"), ORDINARY)
        return written(b"GET", b"/get/" + pick((b"", b"?")) + percent(value, b"-_.~!$'()*,;:@/?"), ORDINARY)
    if name == "XML":
        return xml(value, b"c") if selector == "/*" else xml(b"c", value)
    if name == "REQUEST_BODY":
        return posted(b"application/x-www-form-urlencoded", value)
    if name in ("FILES", "FILES_NAMES"):
        quoted = line(value).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        head = b'name="f"; filename="' + quoted + b'"' if name == "FILES" else b'name="' + quoted + b'"; filename="a.txt"'
        return multipart(head, b"text")
    if name == "MULTIPART_PART_HEADERS":
        return multipart(b'name="f"\r\n' + line(value), b"text")
    if name == "REQUEST_METHOD" and line(value).isalpha():
        return written(line(value), b"/get", ORDINARY)
    if name == "RESPONSE_BODY":
        body = value if chance.random() < 0.7 else b"<html><body>" + value + b"</body></html>"
        return posted(b"application/json", json.dumps({"status": 200, "body": body.decode("latin-1")}).encode(), b"/reflect")
    if name == "RESPONSE_STATUS":
        return posted(b"application/json", json.dumps({"status": pick((200, 403, 404, 500, 503, 599)), "body": "a"}).encode(), b"/reflect")
    return None


def requests(folder, chance, count):
    """Some requests for each rule."""
    for _, targets, operator, argument, actions in rules(folder):
        usual = [target for target in targets if not target.startswith(("!", "&"))]
        if re.search(r"skipAfter|\bid:901", actions):
            continue
        for value in values(folder, operator, argument, chance, count):
            places = [target for target in usual if asked(target, b"a", chance)] or ["ARGS", "REQUEST_COOKIES"]
            made = asked(chance.choice(places), changed(value, chance), chance)
            if made:
                yield made
