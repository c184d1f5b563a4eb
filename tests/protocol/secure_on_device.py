"""Works through vectors with `thecal_protocol.secure` and `pump.link.x25519`, on whatever Python runs it; a
line each.

test_secure.py puts VECTORS (a string of JSON) in front of this text. Where there is no `cryptolib` (CPython,
WebAssembly) a stand-in for AES is used that is the same everywhere.
"""

import gc
import hashlib
import json
from binascii import hexlify, unhexlify

from pump.link.x25519 import X25519
from thecal_protocol import secure

try:
    from cryptolib import aes as AES  # noqa: N812 # pyright: ignore
except ImportError:
    AES = None
VECTORS = json.loads(globals()["VECTORS"])


class HashCipher:
    """Not AES: a block function of its own, so that the modes around it can be compared everywhere."""

    def __init__(self, key, mode, iv=None):
        self.key = key
        self.mode = mode
        self.before = bytes(iv or bytes(16))

    def encrypt(self, data, out):
        for at in range(0, len(data), 16):
            block = bytes(data[at : at + 16])
            if self.mode == 2:
                block = bytes([block[i] ^ self.before[i] for i in range(16)])
            self.before = hashlib.sha256(self.key + block).digest()[:16]
            out[at : at + 16] = self.before


def ccm(aes, vector):
    key, nonce, head, text = [unhexlify(part) for part in vector]
    cipher = secure.Ccm(aes, key, bytes(8))
    buffer = bytearray(head + text + bytes(8))
    end = len(head) + len(text)
    view = memoryview(buffer)
    cipher.run(nonce, view, 0, len(head), end, True)
    sealed = bytes(buffer)
    opened = cipher.run(nonce, view, 0, len(head), end, False)
    same = bytes(buffer[:end]) == head + text
    refused = 0
    for at in (0, len(head), end - 1, end, end + 7):  # head, text, tag
        buffer[:] = sealed
        buffer[at] ^= 1 << at % 8
        refused += not cipher.run(nonce, view, 0, len(head), end, False)
    print(hexlify(sealed[len(head) :]).decode(), opened, same, refused == 5)


def main():
    aes = AES
    for vector in VECTORS["ccm"]:
        ccm(HashCipher, vector)
    for salt, secret, info, size in VECTORS["hkdf"]:
        print(hexlify(secure.hkdf(unhexlify(salt), unhexlify(secret), unhexlify(info), size)).decode())
    for scalar, u in VECTORS["x25519"]:
        work = X25519(unhexlify(scalar), int.from_bytes(unhexlify(u), "little"))
        steps = 1
        while not work.step():
            steps += 1
        print(steps, hexlify(work.result).decode())
    if aes:
        for vector in VECTORS["ccm"]:
            ccm(aes, vector)


if AES is None:  # WebAssembly's collector cannot see what only a local variable holds
    gc.disable()
main()
