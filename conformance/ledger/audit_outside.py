"""Verifies an exported audit log with code that is not ours: PyPI aics-tlog, used as published.

usage: audit_outside.py EXPORT_DIRECTORY VKEY_FILE

1. the signed checkpoint, against the key in VKEY_FILE
2. every tile and every entry bundle, against the checkpoint's root
3. every entry: canonical JSON by their reading of RFC 8785, but for those pruned (length zero)
4. an inclusion proof of the first, a middle and the last entry
5. every earlier checkpoint: signature, and consistency with the newest
6. on a copy: one flipped bit must be found, in each of up to 40 files of the log, one at a time

Prints one line per step and a line of JSON at the end; exits 1 when a step fails.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import aics_tlog as tlog
from aics_tlog.bundle import canonical_json
from aics_tlog.tiles import parse_entry_bundle, tile_width_at

MOST_FLIPS = 40


class Failed(Exception):
    """A step that did not hold."""


def checkpoint(log: Path, key: tlog.VKey, path: str = "checkpoint"):
    result = tlog.verify_checkpoint(tlog.parse_note((log / path).read_bytes()), key, expected_origin=key.name)
    if not result.ok:
        raise Failed(f"{path}: {result.error}")
    return result


def audit(log: Path, key: tlog.VKey):
    head = checkpoint(log, key)
    reader = tlog.FileSystemTileReader(log)
    return head, reader, tlog.audit_tiles(reader, head.size, head.root)


def canonical(head, reader) -> int:
    index = 0
    for bundle in range(-(-head.size // 256)):
        for entry in parse_entry_bundle(reader.read_entry_bundle(bundle, tile_width_at(head.size, 0, bundle))):
            if entry and canonical_json(json.loads(entry)) != entry:
                raise Failed(f"entry {index} is not canonical JSON")
            index += 1
    return index


def inclusion(head, reader) -> list[int]:
    places = sorted({0, head.size // 2, head.size - 1}) if head.size else []
    for index in places:
        entry = tlog.read_entry(reader, index, head.size)
        proof = tlog.inclusion_proof_from_tiles(reader, index, head.size)
        if not tlog.verify_leaf_inclusion(entry, index, head.size, proof, head.root):
            raise Failed(f"entry {index} is not proved")
    return places


def consistency(log: Path, key: tlog.VKey, head, reader) -> int:
    names = sorted(path.name for path in (log / "checkpoints").iterdir())
    for name in names:
        old = checkpoint(log, key, f"checkpoints/{name}")
        proof = tlog.consistency_proof_from_tiles(reader, old.size, head.size) if old.size else []
        if not tlog.verify_consistency(old.size, head.size, old.root, head.root, proof):
            raise Failed(f"checkpoint {name} is not consistent with the newest")
    return len(names)


def flips(log: Path, key: tlog.VKey) -> tuple[int, list[str]]:
    """Flips one bit in the middle of a file, one file at a time; returns those not found."""
    missed = []
    files = [p for p in sorted(log.rglob("*")) if p.is_file() and p.name not in ("README.md", "vkey")]
    step = -(-len(files) // MOST_FLIPS)
    files = files[::step]
    for path in files:
        whole = path.read_bytes()
        if not whole:
            continue
        damaged = bytearray(whole)
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(bytes(damaged))
        try:
            head, reader, _ = audit(log, key)
            consistency(log, key, head, reader)
            missed.append(str(path.relative_to(log)))
        except (Failed, ValueError, OSError):
            pass
        finally:
            path.write_bytes(whole)
    return len(files), missed


def main() -> int:
    log = Path(sys.argv[1])
    figures = {"check": "aics-tlog", "version": tlog.__version__, "ok": False}
    try:
        key = tlog.read_vkey_file(Path(sys.argv[2]).read_text())
        head, reader, report = audit(log, key)
        print(f"checkpoint   signature true, {head.size} leaves, origin {head.origin}")
        print(f"tiles        {report.tiles} tiles and {report.bundles} entry bundles fit the root")
        print(f"entries      {canonical(head, reader)} in canonical JSON")
        print(f"inclusion    entries {inclusion(head, reader)} proved")
        count = consistency(log, key, head, reader)
        print(f"consistency  {count} checkpoints are prefixes of the newest")
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(log, Path(copy) / "log")
            files, missed = flips(Path(copy) / "log", key)
        if missed:
            raise Failed(f"a flipped bit was not found in {missed}")
        print(f"flips        one flipped bit found in each of {files} files")
        figures |= {"ok": True, "leaves": head.size, "tiles": report.tiles, "bundles": report.bundles}
        figures |= {"checkpoints": count, "flips_found": files}
    except (Failed, ValueError, OSError) as error:
        print(f"FAILED       {error}")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
