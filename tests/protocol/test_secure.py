"""HMAC, HKDF, CCM and X25519 against the RFCs and the package `cryptography`, on all three Pythons."""

import hashlib
import hmac
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from thecal.link import cipher
from thecal_protocol import secure

SCRIPT = Path(__file__).with_name("secure_on_device.py")
KEY = bytes(range(0xC0, 0xD0)).hex()
# RFC 3610, packet vectors 1 to 6: those with a tag of 8 bytes
RFC_3610 = [
    (3, 8, 31, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"),
    (4, 8, 32, "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"),
    (5, 8, 33, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"),
    (6, 12, 31, "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1"),
    (7, 12, 32, "dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e51e83f077d9c2d93"),
    (8, 12, 33, "6fc1b011f006568b5171a42d953d469b2570a4bd87405a0443ac91cb94"),
]
# RFC 5869, test cases 1 to 3: salt, secret, info, size, output
RFC_5869 = [
    (
        bytes(range(13)).hex(),
        "0b" * 22,
        bytes(range(0xF0, 0xFA)).hex(),
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0x50)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "",
        "0b" * 22,
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]
# RFC 7748, section 5.2: scalar, u, result
RFC_7748 = [
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
]


def nonce_of(number: int) -> str:
    return bytes([0, 0, 0, number, number - 1, number - 2, number - 3, *range(0xA0, 0xA6)]).hex()


def ccm_vectors() -> list[tuple[str, str, str, str]]:
    """The RFC's, then others: key, nonce, head, text."""
    vectors = [
        (KEY, nonce_of(number), bytes(range(head)).hex(), bytes(range(head, end)).hex())
        for number, head, end, _ in RFC_3610
    ]
    rng = random.Random(3)
    for size in (1, 2, 15, 16, 17, 31, 32, 33, 100, 236, 240):
        head = rng.randbytes(rng.choice((1, 5, 14)))
        vectors.append(
            (rng.randbytes(16).hex(), rng.randbytes(13).hex(), head.hex(), rng.randbytes(size).hex())
        )
    return vectors


def x25519_vectors() -> list[tuple[str, str]]:
    rng = random.Random(4)
    vectors = [(scalar, u) for scalar, u, _ in RFC_7748]
    vectors += [(rng.randbytes(32).hex(), rng.randbytes(32).hex()) for _ in range(4)]
    return [*vectors, ("ff" * 32, "09" + "00" * 31), ("00" * 32, "ff" * 32), ("05" * 32, "00" * 32)]


VECTORS = {
    "ccm": ccm_vectors(),
    "hkdf": [vector[:4] for vector in RFC_5869],
    "x25519": x25519_vectors(),
}


def script(**vectors: Any) -> str:
    return f"VECTORS = {json.dumps(json.dumps(VECTORS | vectors))}\n{SCRIPT.read_text()}"


@pytest.fixture(scope="module")
def lines(repo_root: Path) -> list[str]:
    """What CPython says: of CCM, with the stand-in for AES only."""
    done = subprocess.run(
        [sys.executable, "-c", script()],
        cwd=repo_root,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "firmware:protocol"},
    )
    return done.stdout.splitlines()


def test_hkdf_is_that_of_the_rfc(lines: list[str]):
    at = len(VECTORS["ccm"])
    assert lines[at : at + 3] == [vector[4] for vector in RFC_5869]


def test_x25519_is_that_of_the_rfc_and_of_the_package(lines: list[str]):
    """Also with a u above the modulus, and zeros where the package refuses the point."""
    found = [line.split() for line in lines[-len(VECTORS["x25519"]) :]]
    assert [steps for steps, _ in found] == ["319"] * len(found)
    assert [result for _, result in found[:2]] == [result for _, _, result in RFC_7748]
    for (scalar, u), (_, result) in zip(VECTORS["x25519"][:-1], found, strict=False):
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(scalar))
        assert private.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(u))).hex() == result
    assert found[-1][1] == "00" * 32


@pytest.mark.req("SEC-03", part="no flipped bit of head, text or tag opens")
def test_what_is_sealed_opens_and_nothing_else(lines: list[str]):
    for line in lines[: len(VECTORS["ccm"])]:
        assert line.split()[1:] == ["True", "True", "True"]


@pytest.mark.req("SEC-01", part="AES-128-CCM of RFC 3610 on MicroPython")
def test_micropython_says_the_same_and_its_ccm_is_that_of_the_rfc(lines: list[str], run_micropython: Any):
    found = run_micropython(script()).stdout.splitlines()
    assert found[: len(lines)] == lines
    sealed = [line.split()[0] for line in found[len(lines) :]]
    assert sealed[: len(RFC_3610)] == [vector[3] for vector in RFC_3610]
    for line, vector in zip(found[len(lines) :], VECTORS["ccm"], strict=True):
        key, nonce, head, text = map(bytes.fromhex, vector)
        assert line.split() == [AESCCM(key, tag_length=8).encrypt(nonce, text, head).hex(), *["True"] * 3]


def test_small_integers_of_31_bits_change_nothing(lines: list[str], run_wasm: Any):
    """X25519's big integers are no small ones anyway, and their garbage would fill that interpreter's
    memory."""
    found = run_wasm(script(x25519=[])).stdout.splitlines()
    assert found == lines[: -len(VECTORS["x25519"])]


class Aes:
    """`cryptolib.aes` by the package cryptography, for `thecal_protocol.secure` on CPython."""

    def __init__(self, key: bytes, mode: int, iv: bytes | None = None) -> None:
        block_mode = modes.ECB() if mode == 1 else modes.CBC(iv or b"")
        self._encryptor = Cipher(algorithms.AES(key), block_mode).encryptor()

    def encrypt(self, data: memoryview, out: memoryview) -> None:
        out[:] = self._encryptor.update(bytes(data))


keys = st.binary(min_size=16, max_size=16)
salts = st.binary(min_size=8, max_size=8)
heads = st.binary(min_size=5, max_size=5)
texts = st.binary(min_size=1, max_size=236)


@given(keys, salts, heads, texts, st.integers(0, 10**9))
def test_both_ends_seal_alike_and_open_each_other(
    key: bytes, salt: bytes, head: bytes, text: bytes, spoilt: int
):
    device, host = secure.Ccm(Aes, key, salt), cipher.Cipher(key, salt)
    end = 6 + len(text)
    frames: list[bytearray] = []
    for one in (device, host):
        buffer = bytearray(b"\0" + head + text + bytes(8))
        assert one.seal(buffer, end) == end + 8
        frames.append(buffer)
    assert frames[0] == frames[1]
    sealed = bytes(frames[0])
    for one in (device, host):
        buffer = bytearray(sealed)
        assert one.open(buffer, end + 8)
        assert buffer[:end] == b"\0" + head + text
        bit = 8 + spoilt % (8 * (len(sealed) - 1))
        buffer[:] = sealed
        buffer[bit // 8] ^= 1 << bit % 8
        assert not one.open(buffer, end + 8)
        buffer[:] = sealed
        assert not one.open(buffer, 6 + spoilt % (end + 2))  # cut short, to nothing at all too


@given(st.binary(max_size=130), st.binary(max_size=300))
def test_hmac_is_that_of_the_standard_library(key: bytes, data: bytes):
    assert secure.hmac(key, data) == hmac.new(key, data, hashlib.sha256).digest()


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 200))
def test_hkdf_is_that_of_the_package(salt: bytes, secret: bytes, info: bytes, size: int):
    assert secure.hkdf(salt, secret, info, size) == HKDF(hashes.SHA256(), size, salt, info).derive(secret)


def test_sessions_differ_in_every_input():
    """Change one input, and nothing is left of the secrets."""
    given = [b"k" * 16, b"c" * 16, b"n" * 16, 7, 3, b"\x02hash8888SERIAL"]
    others = [b"K" * 16, b"C" * 16, b"N" * 16, 8, 2, b"\x01hash8888SERIAL"]
    known = {secure.session_secrets(*given)}  # type: ignore[arg-type]
    for at, other in enumerate(others):
        known.add(secure.session_secrets(*given[:at], other, *given[at + 1 :]))  # type: ignore[arg-type]
    assert len(known) == 7
    for at in range(0, 64, 8):
        assert len({secrets[at : at + 8] for secrets in known}) == 7
