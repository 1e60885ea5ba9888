"""Lines of records files, and changes to them that seal what they forge."""

import hashlib
import json

from grokverify.audit import audit


def closed(*lines):
    """A file of these lines, as it is written: the last one counts and hashes the others."""
    told = [len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()]
    return "".join(line + "\n" for line in (*lines, sealed({"closes": told, "schema": 1})))


def audited(tmp_path, *lines):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(*lines))
    return audit(path)


def sealed(body):
    body.pop("seal", None)
    text = json.dumps(body, sort_keys=True)
    return json.dumps({**body, "seal": hashlib.sha256(text.encode()).hexdigest()})


def altered(line, change):
    body = json.loads(line)
    change(body)
    return sealed(body)


def certificates(body, kind):
    for o in (*body["checks"], *body["controls"]):
        for c in o["certificates"]:
            if c["proof"]["kind"] == kind:
                yield o, c
