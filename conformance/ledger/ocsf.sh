#!/usr/bin/env bash
# Validates events (one JSON per line on standard input) by code of others, in two environments because
# both packages would clash in one: PyPI ocsf-json-schema 1.2.0 with jsonschema (the official OCSF 1.8.0
# schema) and PyPI pydantic-ocsf 3.0.0 (the type_uid arithmetic).
#
# usage: ocsf.sh VENV_DIRECTORY <EVENTS
#   cargo run -p wardroom-ledger --example samples | conformance/ledger/ocsf.sh DIRECTORY
#
# Exit status: 0 all valid, 1 some not, 2 could not be checked.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
events=$(mktemp)
trap 'rm -f "$events"' EXIT
cat >"$events"

# shellcheck source=venv.sh
. "$here/venv.sh"
make_venv "$1/schema" 3.10 ocsf-json-schema==1.2.0 jsonschema==4.26.0 || exit 2
make_venv "$1/pydantic" 3.10 pydantic-ocsf==3.0.0 || exit 2
status=0
"$1/schema/bin/python" "$here/ocsf_validate.py" <"$events" || status=1
"$1/pydantic/bin/python" "$here/ocsf_uids.py" <"$events" || status=1
exit $status
