"""Checks events, one JSON per line on standard input, with models made by others.

Part two of two: PyPI pydantic-ocsf, which computes category_uid, class_uid and type_uid itself and refuses
an event that says otherwise. Its newest models are those of OCSF 1.7.0, so its word counts for the
arithmetic and for what 1.7.0 and 1.8.0 share. One defect of the models is stepped around: they want
http_request.http_method, a string in the schema of either version, to be an integer, so it is left out
of what they are shown (part one checks it). Prints one line per event that fails and a line of JSON at
the end; exits 1 when any fails.
"""

import json
import sys

from ocsf.v1_7_0 import events as models

CLASSES = {
    1008: "EventLogActvity",  # the schema's own spelling
    2003: "ComplianceFinding",
    3001: "AccountChange",
    3002: "Authentication",
    3005: "UserAccess",
    4002: "HttpActivity",
    6002: "ApplicationLifecycle",
    6003: "ApiActivity",
    6005: "DatastoreActivity",
}


def without_method(event):
    request = dict(event["http_request"])
    request.pop("http_method", None)
    return {**event, "http_request": request}


def accepted(model, event) -> str | None:
    try:
        model.model_validate(event)
    except ValueError as error:
        return str(error)
    return None


def main() -> int:
    events = failed = 0
    for line in sys.stdin:
        event = json.loads(line)
        events += 1
        if "http_request" in event:
            event = without_method(event)
        code = event["metadata"]["event_code"]
        model = getattr(models, CLASSES[event["class_uid"]])
        problem = accepted(model, event)
        if problem:
            print(f"{code}: {problem[:400]}")
            failed += 1
        # The check must be able to fail: the same event with a false type_uid.
        elif not accepted(model, {**event, "type_uid": event["type_uid"] + 1}):
            print(f"{code}: a false type_uid was accepted")
            failed += 1
    print(json.dumps({"check": "pydantic-ocsf", "version": "1.7.0", "events": events, "failed": failed}))
    return 1 if failed or not events else 0


if __name__ == "__main__":
    sys.exit(main())
