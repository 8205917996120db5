"""Holds the firewall against libmodsecurity 3 with the same rules.

Three comparisons, all from a fixed seed: values through every transformation; requests (those of the Core
Rule Set's tests, and mutations of them) through all rules at paranoia level 4; and requests, and responses to
them, that are made from the rules (made.py), as rules without tests among those at hand count as much. A rule
id, or a transformation, on which the two differ must be explained in differences.toml; one that is not fails
the run.

Usage: oracle.py JUDGE RULES_FOLDER DIFFERENCES [REQUESTS [SEED [MADE_FOR_EACH_RULE]]]
"""

import collections
import glob
import json
import random
import subprocess
import sys
import tomllib

import libmodsecurity

import cases
import made

SEED = 20260724
VALUES = 400
# Requests made for each rule, besides.
MADE = 4
# Rules that add up what others found.
SUMS = {949110, 959100, 980170}
SETTINGS = """
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecUnicodeMapFile {unicode} 20127
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecAction "id:900000,phase:1,pass,nolog,t:none,setvar:tx.blocking_paranoia_level=4,setvar:tx.detection_paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535"
"""
TRANSFORMATIONS = """base64Decode cmdLine compressWhitespace cssDecode escapeSeqDecode hexEncode
htmlEntityDecode jsDecode length lowercase normalizePath normalizePathWin removeCommentsChar removeNulls
removeWhitespace replaceComments sha1 urlDecodeUni utf8toUnicode""".split()
TOKENS = [
    b"%", b"+", b"u", b"0", b"a", b"f", b"F", b"4", b"1", b" ", b"\\", b"x", b"&", b"#", b";", b"lt", b"quot", b"nbsp",
    b"amp", b"/", b"*", b"-", b"<!--", b"-->", b"--", b".", b"..", b"'", b'"', b"^", b",", b"(", b"=", b"\0", b"\n",
    b"\r", b"\t", b"\xa0", b"\xc2", b"\xe4", b"\xbd", b"\xf0", b"\x9f", b"\xff", b"%u", b"%uff", b"\\u", b"\\x", b"&#x",
    b"&#", b"/*", b"*/", b"/..", b"/.", b"0x", b"YWJj", b"==",
]
# What mutations put into a request: bytes that mean something to some rule.
SNIPPETS = [
    b"'", b'"', b"<script>", b"${jndi:", b"../", b";", b"|", b"`id`", b"$(id)", b" or 1=1--", b"%00", b"%0a", b"\\", b"{{7*7}}",
    b"php://input", b"/etc/passwd", b"union select", b"<?php", b"javascript:", b"&#x3c;", b"%u003c", b"+", b"=", b"&", b"a", b"1",
    b"file.php", b"http://127.0.0.1/", b"-->", b"/*", b"*/", b"#", b"\t", b"\xc3\xa9", b"__proto__", b"sleep(5)", b"wget ", b"cmd.exe",
]


def engine(rules):
    modsecurity, collected = libmodsecurity.ModSecurity(), []
    modsecurity.set_rule_message_callback(collected.append)
    loaded = libmodsecurity.RulesSet()
    for rule in rules:
        done = loaded.load_from_uri(rule[1:]) if rule.startswith("@") else loaded.load(rule)
        if done < 0:
            sys.exit(f"libmodsecurity does not load the rules: {loaded.get_parser_error()}")
    return modsecurity, loaded, collected


def ask_judge(judge, words, lines):
    asked = subprocess.run([judge, *words], input="\n".join(lines).encode() + b"\n", stdout=subprocess.PIPE, check=True)
    return asked.stdout.decode().splitlines()


def transformations(judge, unicode, chance):
    jobs = []
    for name in TRANSFORMATIONS:
        rule = (f'SecUnicodeMapFile {unicode} 20127\nSecRuleEngine On\nSecRequestBodyAccess On\n'
                f'SecRule ARGS:x "@unconditionalMatch" "id:1,phase:2,pass,log,t:none,t:{name},t:hexEncode,logdata:\'%{{MATCHED_VAR}}\'"')
        modsecurity, rules, collected = engine([rule])
        for _ in range(VALUES):
            parts = (chance.choice(TOKENS) if chance.random() < 0.85 else bytes([chance.randrange(256)]) for _ in range(chance.randrange(14)))
            value = b"".join(parts)
            collected.clear()
            transaction = libmodsecurity.Transaction(modsecurity, rules)
            transaction.process_connection("192.0.2.1", 1, "192.0.2.2", 80)
            transaction.process_uri("/", "POST", "1.1")
            transaction.add_request_header("Content-Type", "application/x-www-form-urlencoded")
            transaction.process_request_headers()
            transaction.append_request_body(b"x=" + b"".join(b"%%%02x" % byte for byte in value))
            transaction.process_request_body()
            jobs.append((name, value, collected[0].data if collected else ""))
    answers = ask_judge(judge, ["transformations"], [f"{name} {value.hex()}" for name, value, _ in jobs])
    differing = collections.defaultdict(list)
    for (name, value, theirs), ours in zip(jobs, answers, strict=True):
        if theirs != ours:
            differing[name].append((value, bytes.fromhex(theirs), bytes.fromhex(ours)))
    return len(jobs), differing


def mutate(request, chance):
    """A request with a few bytes of its target, a header or its body changed."""
    changed = dict(request, headers=[list(field) for field in request["headers"]])
    for _ in range(chance.randrange(1, 4)):
        places = ["target"] + (["body"] * 2 if changed["body"] else []) + (["header"] if changed["headers"] else [])
        place = chance.choice(places)
        field = chance.choice(changed["headers"]) if place == "header" else None
        if field and bytes.fromhex(field[0]).lower() in (b"content-length", b"transfer-encoding"):
            continue
        value = bytes.fromhex(field[1] if field else changed[place])
        at = chance.randrange(1 if place == "target" else 0, len(value) + 1)
        snippet = chance.choice(SNIPPETS)
        kind = chance.randrange(3)
        value = (value[:at] + snippet + value[at:] if kind == 0 else
                 value[:at] + value[at + chance.randrange(1, 9):] if kind == 1 else
                 value[:at] + bytes([chance.randrange(32, 127)]) + value[at + 1:])
        if place != "body":
            value = value.replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"").replace(b" ", b"" if place == "target" else b" ")
        if field:
            field[1] = value.hex()
        else:
            changed[place] = value.hex()
    for field in changed["headers"]:
        if bytes.fromhex(field[0]).lower() == b"content-length" and bytes.fromhex(field[1]).isdigit():
            field[1] = str(len(changed["body"]) // 2).encode().hex()
    return changed


def theirs(modsecurity, rules, collected, request):
    raw = lambda text: bytes.fromhex(text)
    collected.clear()
    transaction = libmodsecurity.Transaction(modsecurity, rules)
    transaction.process_connection("127.0.0.1", 1, "127.0.0.1", 80)
    protocol = raw(request["protocol"]).decode("latin-1")
    version = protocol.removeprefix("HTTP/")
    transaction.process_uri(raw(request["target"]), raw(request["method"]), version)
    for name, value in request["headers"]:
        transaction.add_request_header(raw(name), raw(value))
    transaction.process_request_headers()
    if request["body"]:
        transaction.append_request_body(raw(request["body"]))
    transaction.process_request_body()
    status, kind, body = reflected(raw(request["target"]), raw(request["body"]))
    transaction.add_response_header("Content-Type", kind)
    transaction.process_response_headers(status, "HTTP/1.1")
    transaction.append_response_body(body)
    transaction.process_response_body()
    return {message.rule_id for message in collected}


def reflected(target, body):
    """Status, kind and body of the answer of the tests' upstream."""
    asked = {}
    if target.startswith(b"/reflect"):
        try:
            asked = json.loads(body)
        except ValueError:
            pass
    text = asked.get("body", "")
    return asked.get("status", 200), "text/plain; charset=utf-8", text.encode()


def body_kind(request):
    """Whether a reader takes the body apart ("structured") or not ("plain"); "lines" if it is multipart and
    a field's value has more than one line."""
    types = [bytes.fromhex(value).lower() for name, value in request["headers"] if bytes.fromhex(name).lower() == b"content-type"]
    if types and b"multipart/form-data" in types[0]:
        mark = b"\r\n--" + types[0].partition(b"boundary=")[2].strip(b'"')
        values = bytes.fromhex(request["body"]).lower().split(b"\r\n\r\n")[1:]
        if any(b"\n" in value.split(mark)[0] for value in values):
            return "lines"
    structured = any(word in kind for kind in types[:1] for word in (b"json", b"xml", b"multipart/form-data"))
    return "structured" if structured else "plain"


def explanation(known, rule, side, kind):
    """The reason written down for a difference; `side` and `body` narrow what it is good for."""
    for entry in known:
        kinds = {"lines": {"lines", "structured"}}.get(kind, {kind})
        fits = (rule in entry["of"] or "any" in entry["of"]) and entry.get("side", side) == side
        fits = fits and not kinds.isdisjoint(entry.get("body", kinds))
        if fits:
            return entry["reason"]
    return None


def usable(request):
    """Requests whose head libmodsecurity's interface can carry."""
    head = [request["method"], request["target"], request["protocol"], *(part for field in request["headers"] for part in field)]
    protocol = bytes.fromhex(request["protocol"])
    return protocol.startswith(b"HTTP/") and not any("00" in [part[at:at + 2] for at in range(0, len(part), 2)] for part in head)


def requests(judge, folder, chance, count, each):
    """Requests of the tests, mutations of them, and some made for each rule."""
    written = subprocess.run([judge, "requests", folder], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    known = [request for request in map(json.loads, written) if usable(request)]
    asked = known[:: max(1, 2 * len(known) // count)] if count else []
    while len(asked) < count:
        request = mutate(chance.choice(known), chance)
        if usable(request):
            asked.append(request)
    return asked + [request for request in made.requests(folder, chance, each) if usable(request)]


def loaded(folder, unicode):
    known = [SETTINGS.format(unicode=unicode), f"@{folder}/crs-setup.conf.example"]
    return engine(known + [f"@{path}" for path in sorted(glob.glob(f"{folder}/rules/*.conf"))])


def both(judge, folder, engines, asked):
    """Each request with what the two say of it, and how its body is read."""
    answers = ask_judge(judge, ["rules", folder], [json.dumps(request) for request in asked])
    for request, answer in zip(asked, answers, strict=True):
        answer = json.loads(answer)
        kind = "broken" if answer["broken"] else body_kind(request)
        # Sums of scores follow from the rest.
        yield request, set(answer["rules"]) - SUMS, theirs(*engines, request) - SUMS, kind


def rules(judge, folder, engines, asked):
    """How often the two say the same of requests, and all on which they do not."""
    differing, agreed, pairs, met = collections.defaultdict(list), 0, 0, set()
    for request, ours, other, kind in both(judge, folder, engines, asked):
        met |= ours & other
        agreed += ours == other
        pairs += len(ours | other)
        for rule in ours ^ other:
            differing[rule].append(("ours" if rule in ours else "theirs", kind, request))
    return agreed, pairs, met, differing


def judge_cases(judge, folder, engines, known):
    """Cases that we decide otherwise than the rule says; where the other does, that is to be explained."""
    wrong, all_cases = 0, list(cases.all_of_them())
    said = both(judge, folder, engines, [request for _, _, request in all_cases])
    for (rule, matches, request), (_, ours, other, kind) in zip(all_cases, said, strict=True):
        if (rule in ours) != matches:
            wrong += 1
            print(f"  {rule}: {'does not match' if matches else 'matches'}: {shown(request)}")
        side = "theirs" if rule in other else "ours"
        if (rule in other) != matches and explanation(known, rule, side, kind) is None:
            wrong += 1
            print(f"  {rule}: the other {'does not match' if matches else 'matches'}, NOT EXPLAINED: {shown(request)}")
    return len(all_cases), wrong


def shown(request):
    raw = bytes.fromhex
    fields = [(raw(name), raw(value)) for name, value in request["headers"]]
    return f"{raw(request['method'])!r} {raw(request['target'])!r} {fields} {raw(request['body'])[:300]!r}"


def main():
    judge, folder, differences = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 2000
    with open(differences, "rb") as file:
        known = tomllib.load(file).get("difference", [])
    unicode = differences.replace("differences.toml", "unicode.mapping")
    chance = random.Random(int(sys.argv[5]) if len(sys.argv) > 5 else SEED)
    unexplained = 0
    values, wrong = transformations(judge, unicode, chance)
    for name, cases in sorted(wrong.items()):
        reason = explanation(known, name, "both", "value")
        print(f"  {name}: {len(cases)} of {VALUES} values; {reason or 'NOT EXPLAINED'}")
        if reason is None:
            unexplained += len(cases)
            value, other, ours = min(cases, key=lambda case: len(case[0]))
            print(f"    {value!r}: theirs {other!r}, ours {ours!r}")
    asked = requests(judge, folder, chance, count, int(sys.argv[6]) if len(sys.argv) > 6 else MADE)
    engines = loaded(folder, unicode)
    judged, misjudged = judge_cases(judge, folder, engines, known)
    agreed, pairs, met, wrong_rules = rules(judge, folder, engines, asked)
    reasons = collections.Counter()
    for rule, cases in sorted(wrong_rules.items()):
        strange = []
        for side, kind, request in cases:
            reason = explanation(known, rule, side, kind)
            reasons[reason] += reason is not None
            strange += [] if reason else [(side, kind, request)]
        unexplained += len(strange)
        if strange:
            side, kind, request = min(strange, key=lambda case: len(case[2]["target"]) + len(case[2]["body"]))
            print(f"  {rule}: {len(strange)} times NOT EXPLAINED, the shortest only {side}, body {kind}:")
            print(f"    {shown(request)}")
    for reason, times in reasons.most_common():
        print(f"  {times:>5} matches differ: {reason}")
    figures = {
        "values": values, "values_differing": sum(map(len, wrong.values())), "requests": len(asked), "requests_agreeing": agreed,
        "rules_met": len(met), "cases": judged, "cases_misjudged": misjudged, "matches": pairs, "matches_differing": sum(map(len, wrong_rules.values())), "unexplained": unexplained,
    }
    print(json.dumps({"name": "oracle", "figures": figures}))
    sys.exit(1 if unexplained or misjudged else 0)


main()
