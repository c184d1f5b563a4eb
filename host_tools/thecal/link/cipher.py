"""The host's half of `thecal_protocol.secure`: AES-128-CCM of secured frames, with the package
`cryptography`.

Same `seal` and `open` as `thecal_protocol.secure.Ccm` on the pump.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from thecal_protocol.framing import TEXT_AT
from thecal_protocol.secure import KEY_SIZE, PROOF_SIZE, SALT_SIZE, TAG_SIZE

_KEYS_AT = PROOF_SIZE
_SALTS_AT = _KEYS_AT + 2 * KEY_SIZE


class Cipher:
    """One direction of one session."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._ccm = AESCCM(key, tag_length=TAG_SIZE)
        self._salt = salt

    def __repr__(self) -> str:
        return "Cipher(...)"

    def seal(self, buffer: bytearray, end: int) -> int:
        """Seal the text `buffer[6:end]`, the head before it; returns where the tag after it ends."""
        head = bytes(buffer[1:TEXT_AT])
        sealed = self._ccm.encrypt(self._salt + head, bytes(buffer[TEXT_AT:end]), head)
        buffer[TEXT_AT : end + TAG_SIZE] = sealed
        return end + TAG_SIZE

    def open(self, buffer: bytearray, end: int) -> bool:
        """Open the text `buffer[6:end]`, tag included; False: it is not from the other end."""
        head = bytes(buffer[1:TEXT_AT])
        try:
            text = self._ccm.decrypt(self._salt + head, bytes(buffer[TEXT_AT:end]), head)
        except (InvalidTag, ValueError):
            return False
        buffer[TEXT_AT : end - TAG_SIZE] = text
        return True


def both(secrets: bytes) -> tuple[Cipher, Cipher]:
    """Host to pump and pump to host, of `thecal_protocol.secure.session_secrets`."""
    pairs = zip(
        range(_KEYS_AT, _SALTS_AT, KEY_SIZE),
        range(_SALTS_AT, _SALTS_AT + 2 * SALT_SIZE, SALT_SIZE),
        strict=True,
    )
    to_pump, to_host = (Cipher(secrets[k : k + KEY_SIZE], secrets[s : s + SALT_SIZE]) for k, s in pairs)
    return to_pump, to_host
