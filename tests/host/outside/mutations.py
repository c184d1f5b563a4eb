"""A good file, made otherwise: bytes, pieces and numbers of it, or of what is packed in it."""

import io
import random
import zipfile


def packed(data: bytes, rng: random.Random) -> bytes:
    """The same of one member of an archive, which is whole itself."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        which = rng.choice(old.namelist())
        for name in old.namelist():
            member = old.read(name)
            new.writestr(name, mutated(member, rng) if name == which else member)
    return out.getvalue()


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A file with some of its bytes, pieces or numbers otherwise."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(7):
            case 0:
                made[at : at + 1] = bytes((rng.randrange(256),))
            case 1:
                made[at : at + rng.randrange(60)] = b""
            case 2:
                made[at:at] = made[max(0, at - rng.randrange(200)) : at]
            case 3:
                made[at:at] = rng.choice(
                    (b"[", b"{", b'"', b"1e999", b"-", b"\n", b"=", b"null", b"9" * 400, b"\0", b"\xff")
                )
            case 4:
                found = made.find(rng.choice((b"1", b"0", b"5", b"true")), at)
                if found >= 0:
                    made[found : found + 1] = rng.choice(
                        (b"-1", b"1e999", b"18446744073709551616", b"[]", b"0.5", b'"x"', b"{}")
                    )
            case 5:
                del made[at:]
            case _:
                found = made.find(b'"', at)
                if found >= 0:
                    made[found : found + 1] = rng.choice((b"'", b"", b'"\\u202e', b'"\\ud800'))
    return bytes(made)
