#!/usr/bin/env bash
# Grades a running TLS listener from outside: testssl.sh (Debian package) and sslyze against Mozilla's
# "modern" configuration. Fails on every finding that is not on the list of expected ones below.
#
#   conformance/edge/tls.sh HOST PORT CAFILE
#
# sslyze is taken from the path, or from $SSLYZE (pip install sslyze==6.3.1 into a virtual environment).
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: $0 HOST PORT CAFILE" >&2
    exit 2
fi
host=$1 port=$2 ca=$3
sslyze=${SSLYZE:-sslyze}
for tool in testssl "$sslyze" python3; do
    command -v "$tool" >/dev/null || { echo "cannot measure: $tool is not installed" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== sslyze: certificate, Mozilla modern, $host:$port"
verdict=0
timeout 120 "$sslyze" --certinfo --certinfo_ca_file "$ca" --mozilla_config modern \
    --early_data --resum --elliptic_curves --compression --reneg \
    "$host:$port" >"$work/sslyze.txt" 2>&1 || verdict=$?
tail -n 12 "$work/sslyze.txt"
if [ "$verdict" -ne 0 ] || ! grep -q "OK - Compliant" "$work/sslyze.txt"; then
    echo "sslyze: NOT compliant with Mozilla's modern configuration"
    verdict=1
fi

echo "== testssl.sh: protocols, ciphers, server defaults, vulnerabilities, $host:$port"
# Its exit status counts findings of every kind; the file decides.
timeout 600 testssl --quiet --color 0 --warnings off --ip one --add-ca "$ca" \
    -p -P -S -U --jsonfile "$work/testssl.json" "$host:$port" >"$work/testssl.txt" 2>&1 || true
python3 - "$work/testssl.json" <<'PY' || verdict=1
import json
import re
import sys

# Findings that say something about a private authority or about the age of the tool, not about us.
EXPECTED = {
    "cert_chain_of_trust": "a private authority is in no public trust store",
    "cert_ocspRevoked": "thirty-day certificates are replaced, not revoked",
    "cert_crlDistributionPoints": "thirty-day certificates are replaced, not revoked",
    "cert_ocspURL": "thirty-day certificates are replaced, not revoked",
    "cert_revocation": "thirty-day certificates are replaced, not revoked",
    "OCSP_stapling": "there is no OCSP responder to staple from",
    "DNS_CAArecord": "a name on the loopback has no DNS zone",
    "certificate_transparency": "a private authority logs nowhere public",
    "cert_trust": "the name is checked, the authority is private",
}
# A certificate of thirty days is renewed at half its life: with ten days left, renewal has failed.
ENOUGH_DAYS = 10
SHORT_LIFE = "a thirty-day certificate is renewed when fifteen days are left"
BAD = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"}

try:
    findings = json.load(open(sys.argv[1]))
except (OSError, ValueError) as error:
    sys.exit(f"cannot measure: testssl.sh left no result ({error})")
if len(findings) < 40:
    sys.exit(f"cannot measure: testssl.sh looked at {len(findings)} things only")
facts = {f["id"]: f["finding"] for f in findings}
left = re.search(r"\((\d+)\)", facts.get("cert_expirationStatus", ""))
if left and int(left.group(1)) >= ENOUGH_DAYS:
    EXPECTED |= {"cert_expirationStatus": SHORT_LIFE, "cert_notAfter": SHORT_LIFE}
real, expected = [], []
for f in findings:
    if f["severity"] in BAD:
        (expected if f["id"].split(" ")[0] in EXPECTED else real).append(f)
    elif f["severity"] == "WARN":
        print(f'  note      {f["id"]}: {f["finding"]}')
for f in expected:
    print(f'  expected  {f["id"]}: {f["finding"]} ({EXPECTED[f["id"].split(" ")[0]]})')
for f in real:
    print(f'  FINDING   {f["severity"]} {f["id"]}: {f["finding"]}')
wanted = {"SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered",
          "TLS1_2": "not offered", "TLS1_3": "offered"}
for name, want in wanted.items():
    if not facts.get(name, "").startswith(want):
        real.append(name)
        print(f'  FINDING   {name} is {facts.get(name)!r}, wanted {want!r}')
print(json.dumps({"name": "edge-tls", "figures": {
    "looked_at": len(findings), "expected": len(expected), "findings": len(real)}}))
sys.exit(1 if real else 0)
PY
exit "$verdict"
