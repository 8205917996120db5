"""Opens tests/it/frozen.json with other code, written from docs/encryption.md.

Run from anywhere: python3 crates/vault/tests/second_opinion.py (needs the package `cryptography`).
"""

import hashlib
import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

FROZEN = json.loads((Path(__file__).parent / "it" / "frozen.json").read_text())


def field(name):
    return bytes.fromhex(FROZEN[name])


def number(value, width):
    return value.to_bytes(width, "big")


def sha256_mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def derive(key, label, detail=b""):
    return sha256_mac(key, b"wardroom/1/" + label + b"\0" + detail + b"\x01")


def cmac(key, data):
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def xaes_open(key, box, aad):
    nonce, text = box[:24], box[24:]
    message_key = b"".join(cmac(key, bytes([0, n]) + b"X\0" + nonce[:12]) for n in (1, 2))
    return AESGCM(message_key).decrypt(nonce[12:], text, aad)


def after_version(blob):
    assert blob[0] == 1, "version"
    return blob[1:]


tenant, subject, key_id = field("tenant"), field("subject"), field("key")
version, generation = number(FROZEN["tenant_version"], 4), number(FROZEN["generation"], 4)
purpose = number(FROZEN["purpose"], 2)
nobody = bytes(16)


def check_commitment(name, key, level, key_name, key_purpose, key_number, owner):
    owner = b"\x01" + owner if owner else b"\0" + nobody
    context = bytes([level]) + tenant + key_name + key_purpose + key_number + owner
    expected = sha256_mac(derive(key, b"commit"), b"wardroom/1/commitment\0" + context)
    assert expected == field(name), name


root = field("root_key")
check = sha256_mac(derive(root, b"root-check"), b"")[:8]
blob = after_version(field("tenant_blob"))
assert blob[:8] == check, "check value of the root"
aad = b"wardroom/1/local-root\0" + check + b"wardroom/1/tenant-key\0" + tenant + version
tenant_key = xaes_open(derive(root, b"wrap"), blob[8:], aad)
check_commitment("tenant_commitment", tenant_key, 1, nobody, bytes(2), version, None)

aad = b"wardroom/1/subject-key\0" + tenant + subject + version
subject_key = xaes_open(derive(tenant_key, b"wrap"), after_version(field("subject_blob")), aad)
check_commitment("subject_commitment", subject_key, 2, subject, bytes(2), bytes(4), None)

aad = b"wardroom/1/data-key\0" + tenant + key_id + purpose + generation + b"\x02" + bytes(4) + subject
data_key = xaes_open(derive(subject_key, b"wrap"), after_version(field("key_blob")), aad)
check_commitment("key_commitment", data_key, 3, key_id, purpose, generation, subject)

for record in FROZEN["records"]:
    aad = b"".join((
        b"wardroom/1/record\0\x01", key_id, generation, tenant,
        number(record["table"], 2), bytes.fromhex(record["row"]), number(record["column"], 2),
        number(record["seq"], 8), bytes.fromhex(record["second"]),
        number(record["role"], 1), number(record["content_type"], 1), number(record["created"], 8),
    ))
    box = after_version(bytes.fromhex(record["sealed"]))
    padded = xaes_open(derive(data_key, b"seal"), box, aad)
    plain, mark = padded.rstrip(b"\0")[:-1], padded.rstrip(b"\0")[-1]
    assert mark == 0x80 and plain.hex() == record["plain"]

assert sha256_mac(derive(data_key, b"mac", b"frozen"), b"data") == field("mac")
assert sha256_mac(derive(data_key, b"blind-index", b"frozen"), b"data")[:16] == field("blind_index")
print(f"{len(FROZEN['records'])} records and 3 wrapped keys open")
