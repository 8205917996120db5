"""Validates events, one JSON per line on standard input, against the official OCSF schema.

Part one of two: JSON Schema (PyPI ocsf-json-schema with jsonschema), which knows every attribute, type
and enumeration, and refuses attributes that a class does not have. Prints one line per event that fails
and a line of JSON at the end; exits 1 when any fails.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"


def main() -> int:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    validators: dict[tuple, Draft202012Validator] = {}
    events = failed = 0
    codes = set()
    for line in sys.stdin:
        event = json.loads(line)
        events += 1
        metadata = event["metadata"]
        code = metadata["event_code"]
        codes.add(code)
        if metadata["version"] != VERSION:
            print(f"{code}: version {metadata['version']}")
            failed += 1
            continue
        profiles = tuple(metadata.get("profiles", []))
        key = (event["class_uid"], profiles)
        if key not in validators:
            name = schema.lookup_class_name_from_uid(class_uid=event["class_uid"])
            validators[key] = Draft202012Validator(
                schema.get_class_schema(class_name=name, profiles=list(profiles))
            )
        errors = list(validators[key].iter_errors(event))
        failed += bool(errors)
        for error in errors:
            print(f"{code}: {'/'.join(map(str, error.path)) or '(event)'}: {error.message[:300]}")
    figures = {"events": events, "codes": len(codes), "classes": len(validators), "failed": failed}
    print(json.dumps({"check": "ocsf-json-schema", "version": VERSION, **figures}))
    return 1 if failed or not events else 0


if __name__ == "__main__":
    sys.exit(main())
