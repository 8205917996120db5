"""Signs in at real SAML providers, has every answer judged, and prints the figures.

usage: run.py JUDGE WORK WARDROOM

JUDGE is the example `saml_conformance` of crates/federation; WORK is a folder that may be thrown away;
WARDROOM is the binary, through which a browser signs in.
"""

import base64
import contextlib
import html
import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import c14n

HERE = Path(__file__).resolve().parent
JUDGE, WORK, WARDROOM = (Path(word).resolve() for word in sys.argv[1:4])
SP = "http://127.0.0.1:9"
ENTITY, ACS, SLO = f"{SP}/sso/saml/7", f"{SP}/sso/saml/7/acs", f"{SP}/sso/saml/7/slo"


def judge(*words):
    done = subprocess.run([JUDGE, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class StopAtTheService(urllib.request.HTTPRedirectHandler):
    """Follows redirects until one leads to the service, which is not running: its query is the answer."""

    def redirect_request(self, request, body, code, message, headers, address):
        if address.startswith(SP):
            raise Arrived(address)
        return super().redirect_request(request, body, code, message, headers, address)


class Arrived(Exception):
    pass


class Browser:
    def __init__(self):
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar, StopAtTheService())

    def open(self, address, form=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        with self.opener.open(address, data, timeout=30) as answer:
            return answer.geturl(), answer.read().decode()

    def leave(self, departure):
        return self.open(departure.get("location") or departure["action"], departure.get("fields"))


def field(page, name):
    found = re.search(rf'name="{name}"\s+value="([^"]*)"', page)
    return html.unescape(found.group(1)) if found else None


def prepared(name, idp_url):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    judge("keys", folder)
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test provider"]
    subprocess.run([*request, "-keyout", folder / "idp.key", "-out", folder / "idp.crt"], check=True, capture_output=True)
    (folder / "url").write_text(idp_url)
    return folder


def settings(folder, imported, **more):
    told = {"entity_id": ENTITY, "acs": ACS, "logout": SLO, **imported, **more}
    (folder / "settings.json").write_text(json.dumps(told))
    judge("metadata", folder)


@contextlib.contextmanager
def running(command, env=None, wait_for=None, log=None):
    with open(log, "wb") as out:
        # A group of its own: PHP's server starts workers, which end with it and not by themselves.
        process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdout=out, stderr=out, start_new_session=True
        )
        try:
            for _ in range(150):
                if process.poll() is not None:
                    sys.exit(f"{command[0]} ended: {Path(log).read_text()[-2000:]}")
                with contextlib.suppress(OSError):
                    with socket.create_connection(("127.0.0.1", wait_for), timeout=1):
                        break
                time.sleep(0.2)
            else:
                sys.exit(f"{command[0]} does not answer")
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def fetched(folder, address):
    _, text = Browser().open(address)
    (folder / "idp.xml").write_text(text)
    return judge("import", folder / "idp.xml")


def received(folder, page):
    form = {name: field(page, name) for name in ("SAMLResponse", "RelayState")}
    if not form["SAMLResponse"]:
        sys.exit(f"{folder.name}: no response in the page: {page[:1500]}")
    (folder / "form.json").write_text(json.dumps(form))
    verdict = judge("judge", folder)
    if "code" in verdict:
        return verdict
    encrypted = verdict["encrypted"]
    verdict["xmlsec1"] = None if encrypted else xmlsec1(folder)
    verdict["pysaml2"] = None if encrypted else pysaml2(folder)
    return verdict


def xmlsec1(folder):
    """Whether xmlsec1 finds the first signature of the genuine response valid."""
    text = (folder / "genuine.xml").read_text()
    ids = [option for kind in ("protocol:Response", "assertion:Assertion")
           for option in ("--id-attr:ID", f"urn:oasis:names:tc:SAML:2.0:{kind}")]
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", folder / "idp.crt", *ids, folder / "genuine.xml"]
    done = subprocess.run(command, capture_output=True, text=True)
    return "SignedInfo" in text and done.returncode == 0


def pysaml2(folder):
    """Whether pysaml2's service provider reads the same person from the genuine response."""
    from saml2 import BINDING_HTTP_POST
    from saml2.client import Saml2Client
    from saml2.config import SPConfig

    pending = json.loads((folder / "pending.json").read_text())
    told = json.loads((folder / "claims.json").read_text())
    config = SPConfig().load({
        "entityid": ENTITY,
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "metadata": {"local": [str(folder / "idp.xml")]},
        "service": {"sp": {
            "endpoints": {"assertion_consumer_service": [(ACS, BINDING_HTTP_POST)]},
            "want_response_signed": False,
            "want_assertions_or_response_signed": True,
        }},
    })
    form = json.loads((folder / "form.json").read_text())
    answer = Saml2Client(config).parse_authn_request_response(
        form["SAMLResponse"], BINDING_HTTP_POST, {pending["request_id"]: "/"}
    )
    return answer is not None and str(answer.name_id.text) == told["name_id"]["value"]


def simplesamlphp(name, *, response, encrypt, binding):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder = prepared(name, url)
    for made in ("cert", "log", "data", "tmp"):
        (folder / made).mkdir()
    for copied in ("config", "metadata"):
        shutil.copytree(HERE / "simplesamlphp" / copied, folder / copied)
    for made in ("idp.key", "idp.crt"):
        shutil.copy(folder / made, folder / "cert" / made)
    der = lambda which: base64.b64encode((folder / f"{which}.der").read_bytes()).decode()
    env = {
        "IDP_DIR": str(folder), "IDP_URL": url, "SIMPLESAMLPHP_CONFIG_DIR": str(folder / "config"),
        "PHP_CLI_SERVER_WORKERS": "2", "SP_ENTITY": ENTITY, "SP_ACS": ACS, "SP_SLO": SLO,
        "SP_SIGNING": der("signing"), "SP_ENCRYPTION": der("encryption"),
        "SIGN_RESPONSE": "1" if response else "0", "ENCRYPT": "1" if encrypt else "0",
    }
    command = ["php", "-S", f"127.0.0.1:{port}", str(HERE / "simplesamlphp" / "router.php")]
    with running(command, env, port, folder / "php.log"):
        imported = fetched(folder, f"{url}/simplesaml/saml2/idp/metadata.php")
        # The file names one sign-on service; SimpleSAMLphp takes both bindings there.
        imported["idp_sign_on"] = {**imported["idp_sign_on"][0], "binding": binding}
        more = {"encryption": "required", "accept_oaep_sha1": True} if encrypt else {}
        settings(folder, imported, **more)
        browser = Browser()
        at, page = browser.leave(judge("begin", folder))
        state = field(page, "AuthState")
        if not state:
            sys.exit(f"{name}: no login page: {page[:1500]}")
        _, page = browser.open(at, {"username": "alice", "password": "alice-password", "AuthState": state})
        verdict = received(folder, page)
        if "code" not in verdict:
            verdict["logout"] = logout(folder, browser, url)
    return verdict


def logout(folder, browser, url):
    """Single logout, from our side first, then, after another login, from the provider's."""
    sent = judge("logout", folder)
    try:
        browser.leave(sent)
        return "the provider did not answer"
    except Arrived as arrived:
        query = urllib.parse.urlsplit(str(arrived)).query
    ended = judge("ended", folder, query)
    if ended.get("request_id") != sent["request_id"] or not ended["success"]:
        return f"from our side: {ended}"
    at, page = browser.leave(judge("begin", folder))
    form = {"username": "alice", "password": "alice-password", "AuthState": field(page, "AuthState")}
    browser.open(at, form)
    try:
        back = urllib.parse.quote(f"{url}/simplesaml/", safe="")
        browser.open(f"{url}/simplesaml/saml2/idp/SingleLogoutService.php?ReturnTo={back}")
        return "the provider did not ask"
    except Arrived as arrived:
        query = urllib.parse.urlsplit(str(arrived)).query
    asked = judge("asked", folder, query)
    if asked.get("subject") != "alice" or not asked.get("sessions"):
        return f"from the provider's side: {asked}"
    # A changed query is refused for its signature.
    changed = query.replace("RelayState=", "RelayState=x", 1) if "RelayState=" in query else query + "A"
    if judge("asked", folder, changed).get("refused") is None:
        return "a changed logout was believed"
    with contextlib.suppress(Arrived, urllib.error.HTTPError):
        browser.leave(asked)
    return "both ways"


def with_pysaml2(name, what):
    port = free_port()
    folder = prepared(name, f"http://127.0.0.1:{port}")
    command = [sys.executable, str(HERE / "pysaml2_idp.py"), str(folder), str(port), what]
    with running(command, None, port, folder / "idp.log"):
        imported = fetched(folder, f"http://127.0.0.1:{port}/metadata")
    imported["idp_sign_on"] = imported["idp_sign_on"][0]
    settings(folder, imported)
    # Again, now that it can read our metadata.
    with running(command, None, port, folder / "idp.log"):
        _, page = Browser().leave(judge("begin", folder))
        return received(folder, page)


def with_samlp(name, what):
    port = free_port()
    folder = prepared(name, f"http://127.0.0.1:{port}")
    command = ["node", str(HERE / "samlp_idp.cjs"), str(folder), str(port), what, ENTITY, ACS]
    with running(command, None, port, folder / "idp.log"):
        imported = fetched(folder, f"http://127.0.0.1:{port}/metadata")
        imported["idp_sign_on"] = imported["idp_sign_on"][0]
        imported["idp_logout"] = None
        # samlp signs the response or the assertion, never both.
        more = {"response_signature_suffices": True} if what == "response" else {}
        if what == "encrypted":
            more = {"encryption": "required", "accept_oaep_sha1": True}
        settings(folder, imported, **more)
        _, page = Browser().leave(judge("begin", folder))
        return received(folder, page)


def profiles(figures, codes, faults):
    """The large providers by the shape of their messages, signed with a key of the run."""
    for name, verdict in judge("profiles").items():
        for figure in ("refused", "accepted", "unchanged", "total"):
            figures[figure] += verdict[figure]
        figures["genuine"] += 1
        figures["genuine_accepted"] += verdict["subject"] is not None
        faults += [] if verdict["subject"] is not None else [f"{name}: genuine, and refused as {verdict['code']}"]
        for code, count in verdict["codes"].items():
            codes[code] = codes.get(code, 0) + count
        print(f"{'like ' + name:<26}{(verdict['subject'] or '')[:9]:<10}{verdict['total']:>9}{verdict['refused']:>9}"
              f"{verdict['accepted']:>9}", flush=True)


def browser(faults):
    """Chromium signs in through the binary; its own figures are told apart."""
    command = ["node", str(HERE / "browser.mjs"), str(WARDROOM), str(WORK / "browser"), sys.executable]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    last = ""
    for line in process.stdout:
        last = line
        if not line.startswith("{"):
            print(line, end="", flush=True)
    if process.wait() != 0:
        faults.append("the browser was not signed in as it should be")
    return json.loads(last)["figures"] if last.startswith("{") else {}


# What a provider sends in earnest, and what we do not take.
REFUSED = {"simplesamlphp-cbc": "saml.content_cipher"}


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    suites = {
        "simplesamlphp": lambda n: simplesamlphp(n, response=False, encrypt=False, binding="redirect"),
        "simplesamlphp-both": lambda n: simplesamlphp(n, response=True, encrypt=False, binding="post"),
        # With a published key this version can do CBC only, which is refused by name.
        "simplesamlphp-cbc": lambda n: simplesamlphp(n, response=True, encrypt=True, binding="redirect"),
        "pysaml2": lambda n: with_pysaml2(n, "assertion"),
        "pysaml2-both": lambda n: with_pysaml2(n, "both"),
        "samlp": lambda n: with_samlp(n, "assertion"),
        "samlp-response": lambda n: with_samlp(n, "response"),
        "samlp-encrypted": lambda n: with_samlp(n, "encrypted"),
    }
    figures = {"refused": 0, "accepted": 0, "unchanged": 0, "total": 0, "genuine": 0, "genuine_accepted": 0, "oracles_agree": 0}
    codes, faults = {}, []
    print(f"{'provider':<26}{'subject':<10}{'attacks':>9}{'refused':>9}{'believed':>9}  oracles, logout")
    for name, suite in suites.items():
        verdict = suite(name)
        if name in REFUSED:
            print(f"{name:<26}{verdict.get('code', 'accepted')}", flush=True)
            faults += [] if verdict.get("code") == REFUSED[name] else [f"{name}: should have been {REFUSED[name]}"]
            continue
        figures["genuine"] += 1
        if "code" in verdict:
            faults.append(f"{name}: genuine, and refused as {verdict['code']}")
            print(f"{name:<26}{verdict['code']}", flush=True)
            continue
        for figure in ("refused", "accepted", "unchanged", "total"):
            figures[figure] += verdict[figure]
        figures["genuine_accepted"] += verdict["subject"] == "alice" or "alice" in verdict["subject"]
        oracles = {who: verdict[who] for who in ("xmlsec1", "pysaml2") if verdict[who] is not None}
        figures["oracles_agree"] += sum(oracles.values())
        faults += [f"{name}: {who} disagrees" for who, agrees in oracles.items() if not agrees]
        if verdict.get("logout") not in (None, "both ways"):
            faults.append(f"{name}: logout: {verdict['logout']}")
        for code, count in verdict["codes"].items():
            codes[code] = codes.get(code, 0) + count
        print(f"{name:<26}{verdict['subject'][:9]:<10}{verdict['total']:>9}{verdict['refused']:>9}"
              f"{verdict['accepted']:>9}  {oracles} {verdict.get('logout') or ''}", flush=True)
    profiles(figures, codes, faults)
    for code, count in sorted(codes.items()):
        print(f"  {code:<32}{count:>8}")
    compared = c14n.compare(WORK, judge)
    figures.update(compared)
    faults += [f"{figures['accepted']} forgeries were believed"] if figures["accepted"] else []
    faults += [f"{compared['c14n_differ']} canonical forms differ"] if compared["c14n_differ"] else []
    figures.update({f"browser_{name}": figure for name, figure in browser(faults).items()})
    for fault in faults:
        print(f"  {fault}")
    print(json.dumps({"name": "saml", "figures": {**figures, "reasons": len(codes)}}))
    sys.exit(1 if faults else 0)


main()
