#!/usr/bin/env bash
# Verifies an exported audit log with code that is not ours (PyPI aics-tlog 0.2.1, unmodified).
#
# usage: audit_outside.sh EXPORT_DIRECTORY VENV_DIRECTORY [VKEY_FILE]
#
# The virtual environment is made when it is missing. VKEY_FILE is the log's public key as the auditor
# keeps it; without one the export's own copy is used, which proves less. Needs Python 3.13 or newer
# (PYTHON=... names one). Exit status: 0 whole, 1 not whole, 2 could not be checked.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
export_directory=$1 venv=$2 vkey=${3:-$1/vkey}

# shellcheck source=venv.sh
. "$here/venv.sh"
make_venv "$venv" 3.13 aics-tlog==0.2.1 || exit 2
"$venv/bin/python" "$here/audit_outside.py" "$export_directory" "$vkey"
