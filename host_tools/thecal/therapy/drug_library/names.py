"""Which known drugs a name means, however it is written. The pump knows no drug by its name.

A name is folded first: compatible forms (full-width letters, ligatures), case, accents, characters that
cannot be seen, and letters of other alphabets that look like Latin ones. What is neither letter nor digit
then only parts words. A drug is meant where its folded name stands in the folded words, or in all of them
written together: "Baclofen_hcl", "baclofen+mor" and "b-a-c-l-o-f-e-n" mean baclofen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_LEAST = 4  # letters; a shorter known name must be a whole word
# letters that read as Latin ones: Cyrillic, Greek, Armenian, phonetic, with a stroke
_ALIKE = str.maketrans(
    "\u0430\u0432\u0435\u0455\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u044c"
    "\u0501\u050d\u051b\u051d\u043f\u0438\u04cf\u04bb\u0433\u0410\u0412\u0415\u0405\u0406\u0408\u041a"
    "\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u042c\u050c\u051a\u051c\u04c0\u04ba\u03b1\u03b2"
    "\u03b5\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03c9\u03b3\u0391\u0392\u0395"
    "\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0578\u057d\u0570\u0251\u0261"
    "\u026a\u0131\u0274\u0299\u1d00\u1d04\u1d0f"
    "\u00f8\u0142\u0111\u0127\u0167",
    "abesijkmhopctyxbdgqwnulhrABESIJKMHOPCTYXBGQWLHabenikuvoptuxwyABEZHIKMNOPTYXnuhagiinbacooldht",
)


def folded(name: str) -> str:
    """The name as it is compared: words of letters and digits with one blank between them; may be empty."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name)).translate(_ALIKE)
    text = unicodedata.normalize("NFKD", text.casefold()).translate(_ALIKE)
    seen = [c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc")]
    return " ".join("".join(c if c.isalnum() else " " for c in seen).split())


def same(one: str, other: str) -> bool:
    """Whether two names are one name written in two ways."""
    return folded(one).replace(" ", "") == folded(other).replace(" ", "")


def meant(name: str, known: Sequence[str]) -> list[int]:
    """Places in `known` of the drugs that a name means; several: it names a mixture.

    The longest first: what stands within another known name ("morphine" in "morphine sulfate", where that is
    known too) means only that one.
    """
    words = folded(name)
    glued = words.replace(" ", "")
    found: list[int] = []
    for index in sorted(range(len(known)), key=lambda i: -len(folded(known[i]))):
        drug = folded(known[index])
        bare = drug.replace(" ", "")
        if not bare:
            continue
        if len(bare) < _LEAST:
            if bare in words.split():
                found.append(index)
        elif bare in glued:
            found.append(index)
            glued = glued.replace(bare, "\0")
    return sorted(found)
