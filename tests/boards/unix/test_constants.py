"""What is compiled for the emulated pump has numbers where its text has constants, and is else the same."""

from thecal.firmware_build.constants import with_numbers

TEXTS = {
    "units": b"A = 3\n_B, C = A << 2, 0x10\nNAME = 'A'\nflag = True\nTWICE = 1\nTWICE = 2\n",
    "room.user": b"from units import A as MANY, C\nfrom room import other\nimport units\n"
    b"def f(x, C_=C):\n    return x[MANY] + units._B - other.D  # MANY\n",
    "room.other": b"from micropython import const\nD = const(1 + 4)\n"
    b"def g(D2):\n    TEXT = 'D'\n    return D, D2, TEXT\n",
    "broken": b"def f(:\n",
}


def test_constants_become_numbers_wherever_they_are_read():
    found = with_numbers(TEXTS)
    assert found["room.user"].splitlines()[3:] == [
        b"def f(x, C_=16):",
        b"    return x[3] + 12 - 5  # MANY",
    ]
    assert found["room.other"].endswith(b"return 5, D2, TEXT\n")
    assert {name: text.count(b"\n") for name, text in found.items()} == {
        name: text.count(b"\n") for name, text in TEXTS.items()
    }


def test_what_is_bound_twice_or_no_number_stays():
    text = b"from units import TWICE, NAME, flag\nLIST = [TWICE, NAME, flag]\nx = 5\nY = x\n"
    assert with_numbers({**TEXTS, "more": text})["more"] == text


def test_a_text_that_does_not_compile_is_left_to_the_compiler():
    assert with_numbers(TEXTS)["broken"] == TEXTS["broken"]
