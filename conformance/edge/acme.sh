#!/usr/bin/env bash
# Orders certificates at a real ACME server (Debian's package pebble, on the loopback): http-01,
# tls-alpn-01, renewal, and a failure. Fails when the server is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in pebble pebble-challtestsrv; do
    command -v "$tool" >/dev/null || { echo "cannot measure: $tool is not installed (apt-get install pebble)" >&2; exit 2; }
done
exec "${CARGO:-cargo}" test --quiet -p wardroom-edge --test it acme:: -- --include-ignored
