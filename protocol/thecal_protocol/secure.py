"""Session cryptography of both ends: HMAC, HKDF, and AES-128-CCM made of what MicroPython has in C.

- `hmac`: RFC 2104 with SHA-256. `hkdf`: RFC 5869.
- `Ccm`: RFC 3610 with L = 2 and a tag of 8 bytes, out of AES-ECB and AES-CBC (`cryptolib`). The host uses the
  package `cryptography` for it (`thecal.link.cipher`), with the same `seal` and `open`.
- `session_secrets`, `pairing_key`: what is derived from what (docs/reference/protocol.md).

Nonce of a frame: salt of the direction, 8 bytes, then flags, session and seq as they stand in the header.
Keys and salts are new in each session and each direction has its own, and in a session a number is sealed
once: so no nonce comes twice.

Allocation: a frame sealed or opened costs a few slices, which are garbage afterwards; nothing grows. Time is
linear in the bytes.
"""

import hashlib

KEY_SIZE = 16
CHALLENGE_SIZE = 16
TAG_SIZE = 8
PROOF_SIZE = 16
SALT_SIZE = 8

_BLOCK = 64  # of SHA-256
_ECB = 1
_CBC = 2
_LONGEST = 240  # bytes of text
_IN = bytearray(32 + _LONGEST)
_OUT = bytearray(32 + _LONGEST)
_IN_VIEW = memoryview(_IN)
_OUT_VIEW = memoryview(_OUT)
_ZEROS = bytes(16)


def hmac(key: "bytes | bytearray", data: "bytes | bytearray") -> bytes:
    """HMAC-SHA256, 32 bytes."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    pad = bytearray(_BLOCK)
    for i in range(_BLOCK):
        pad[i] = 0x36 ^ (key[i] if i < len(key) else 0)
    inner = hashlib.sha256(pad)
    inner.update(data)
    for i in range(_BLOCK):
        pad[i] ^= 0x6A  # 0x36 ^ 0x5C
    outer = hashlib.sha256(pad)
    outer.update(inner.digest())
    return outer.digest()


def hkdf(salt: bytes, secret: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA256: `size` bytes (at most 255 x 32) from a secret."""
    pseudo = hmac(salt, secret)
    block = out = b""
    while len(out) < size:
        block = hmac(pseudo, block + info + bytes((len(out) // 32 + 1,)))
        out += block
    return out[:size]


def session_secrets(
    key: bytes, challenge: bytes, nonce: bytes, session: int, role: int, version: bytes
) -> bytes:
    """64 bytes: the host's proof, then keys host to pump and pump to host, then their salts.

    `version`: protocol number, table hash and serial number, see `version_of`.
    """
    info = b"thecal session" + bytes((role, session & 0xFF, session >> 8)) + version
    return hkdf(challenge + nonce, key, info, PROOF_SIZE + 2 * KEY_SIZE + 2 * SALT_SIZE)


def version_of(protocol: int, table_hash: bytes, serial: str) -> bytes:
    """What both ends must agree on besides the key."""
    return bytes((protocol,)) + table_hash + serial.encode()


def pairing_key(shared: bytes, host_public: bytes, pump_public: bytes, role: int, serial: str) -> bytes:
    """The key of a role, from what X25519 gave both ends."""
    info = b"thecal pairing" + bytes((role,)) + serial.encode()
    return hkdf(host_public + pump_public, shared, info, KEY_SIZE)


class Ccm:
    """One direction of one session. The frame's head `buffer[1:6]` is authenticated, the text after it
    sealed."""

    def __init__(self, aes: "object", key: bytes, salt: bytes) -> None:
        """`aes(key, mode)` and `aes(key, mode, iv)`: as `cryptolib.aes`."""
        self._ecb = aes(key, _ECB)  # pyright: ignore
        self._cbc = aes(key, _CBC, _ZEROS)  # pyright: ignore
        self._chained = _ZEROS  # the last block that it made: it is added to the first of the next
        self._nonce = bytearray(salt + bytes(5))

    def seal(self, buffer: bytearray, end: int) -> int:
        """Seal the text `buffer[6:end]`; returns where the tag after it ends."""
        view = memoryview(buffer)
        self._nonce[SALT_SIZE:] = view[1:6]
        self.run(self._nonce, view, 1, 6, end, True)
        return end + TAG_SIZE

    def open(self, buffer: bytearray, end: int) -> bool:
        """Open the text `buffer[6:end]`, tag included; False: it is not from the other end."""
        if end < 6 + TAG_SIZE:
            return False
        view = memoryview(buffer)
        self._nonce[SALT_SIZE:] = view[1:6]
        return self.run(self._nonce, view, 1, 6, end - TAG_SIZE, False)

    def run(
        self, nonce: "bytes | bytearray", view: memoryview, head: int, at: int, end: int, sealing: bool
    ) -> bool:
        """CCM over the head `view[head:at]` (1 to 14 bytes) and the text `view[at:end]` (1 to 240), tag after
        it.

        Not sealing: True when the tag is right; otherwise the text is rubbish.
        """
        if sealing:
            tag = self._mac(nonce, view, head, at, end)
            self._crypt(nonce, view, at, end)
            for i in range(TAG_SIZE):
                view[end + i] = tag[i] ^ _OUT[i]
            return True
        self._crypt(nonce, view, at, end)
        mask = bytes(_OUT_VIEW[:TAG_SIZE])
        tag = self._mac(nonce, view, head, at, end)
        wrong = 0
        for i in range(TAG_SIZE):  # all of them, whatever the first ones are
            wrong |= tag[i] ^ mask[i] ^ view[end + i]
        return wrong == 0

    def _mac(
        self, nonce: "bytes | bytearray", view: memoryview, head: int, at: int, end: int
    ) -> "bytes | bytearray":
        size = end - at
        filled = 18 + at - head
        _IN[0] = 0x59  # head follows, tag of 8 bytes, length in 2 bytes
        _IN[1:14] = nonce
        _IN[14] = 0
        _IN[15] = size
        _IN[16] = 0
        _IN[17] = at - head
        _IN[18:filled] = view[head:at]
        _IN[filled:32] = _ZEROS[: 32 - filled]
        _IN[32 : 32 + size] = view[at:end]
        last = 32 + size
        blocks = last + 15 & ~15
        _IN[last:blocks] = _ZEROS[: blocks - last]
        chained = self._chained
        for i in range(16):  # taken off here, so that it begins with zeros: a new object costs far more
            _IN[i] ^= chained[i]
        self._cbc.encrypt(_IN_VIEW[:blocks], _OUT_VIEW[:blocks])  # pyright: ignore
        self._chained = bytes(_OUT_VIEW[blocks - 16 : blocks])
        return self._chained

    def _crypt(self, nonce: "bytes | bytearray", view: memoryview, at: int, end: int) -> None:
        """Counter mode over the text; leaves the block that masks the tag at the beginning of `_OUT`."""
        blocks = end - at + 31 & ~15
        given = _IN
        mask = _OUT
        given[0] = 1
        given[1:14] = nonce
        given[14] = given[15] = 0
        head = bytes(_IN_VIEW[:15])
        for i in range(16, blocks, 16):
            given[i : i + 15] = head
            given[i + 15] = i >> 4
        self._ecb.encrypt(_IN_VIEW[:blocks], _OUT_VIEW[:blocks])  # pyright: ignore
        i = 16
        while at < end:  # byte by byte: as whole numbers of this size they would cost the chip more
            view[at] ^= mask[i]
            at += 1
            i += 1
