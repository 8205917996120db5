"""A pysaml2 provider over HTTP: it checks the signature of the request and answers with a form; of a logout's,
too, and sends the browser back."""

import base64
import html
import os
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

folder, port, sign_response = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "both"
own = f"http://127.0.0.1:{port}"
config = {
    "entityid": f"{own}/idp",
    "xmlsec_binary": "/usr/bin/xmlsec1",
    "key_file": str(folder / "idp.key"),
    "cert_file": str(folder / "idp.crt"),
    "service": {
        "idp": {
            "want_authn_requests_signed": True,
            "endpoints": {
                "single_sign_on_service": [(f"{own}/sso", BINDING_HTTP_REDIRECT)],
                "single_logout_service": [(f"{own}/slo", BINDING_HTTP_REDIRECT)],
            },
            "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
        }
    },
}
# Without the service's metadata only our own can be told.
if (folder / "sp.xml").exists():
    config["metadata"] = {"local": [str(folder / "sp.xml")]}
loaded = IdPConfig().load(config)
server = Server(config=loaded)

PERSON = {
    "uid": ["alice"],
    "mail": ["alice@corp.example"],
    "displayName": ["Alice & <Bob> \"é\" \U0001f600"],
}


class Provider(BaseHTTPRequestHandler):
    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        if address.path == "/metadata":
            return self.answer(str(entity_descriptor(loaded)), "application/samlmetadata+xml")
        query = dict(urllib.parse.parse_qsl(address.query))
        if address.path == "/slo":
            return self.logout(query)
        request = server.parse_authn_request(
            query["SAMLRequest"],
            BINDING_HTTP_REDIRECT,
            relay_state=query["RelayState"],
            sigalg=query["SigAlg"],
            signature=query["Signature"],
        ).message
        response = server.create_authn_response(
            identity=PERSON,
            in_response_to=request.id,
            destination=request.assertion_consumer_service_url,
            sp_entity_id=request.issuer.text,
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="alice"),
            authn={"class_ref": "https://refeds.org/profile/mfa"},
            sign_assertion=True,
            sign_response=sign_response,
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
        )
        field = base64.b64encode(str(response).encode()).decode()
        self.answer(
            f'<body onload="document.forms[0].submit()">'
            f'<form method="post" action="{html.escape(request.assertion_consumer_service_url)}">'
            f'<input name="SAMLResponse" value="{field}">'
            f'<input name="RelayState" value="{html.escape(query["RelayState"])}"></form>',
            "text/html",
        )

    def logout(self, query):
        request = server.parse_logout_request(
            query["SAMLRequest"],
            BINDING_HTTP_REDIRECT,
            relay_state=query["RelayState"],
            sigalg=query["SigAlg"],
            signature=query["Signature"],
        ).message
        to = server.response_args(request, [BINDING_HTTP_REDIRECT])
        response = server.create_logout_response(request, [BINDING_HTTP_REDIRECT])
        sent = server.apply_binding(
            to["binding"],
            str(response),
            to["destination"],
            query["RelayState"],
            response=True,
            sign=True,
            sigalg=SIG_RSA_SHA256,
        )
        self.send_response(303)
        self.send_header("location", dict(sent["headers"])["Location"])
        self.end_headers()

    def answer(self, text, kind):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


os.chdir(folder)
HTTPServer(("127.0.0.1", port), Provider).serve_forever()
