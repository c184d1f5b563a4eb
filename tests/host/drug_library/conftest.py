"""Libraries of an institution, in a configuration folder of the test's own."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from host.cli.conftest import Done, Thecal, blank, pump, quick_thecal, thecal  # noqa: F401


@dataclass(frozen=True)
class Institution:
    """A folder, a signing key in it that this user trusts, and ways to make libraries."""

    folder: Path
    key: Path
    public: str
    thecal: Thecal

    def library(
        self, name: str = "own.toml", version: int = 3, changes: dict[str, str] | None = None
    ) -> Path:
        """A signed copy of the shipped library; `changes`: old text by new text, before it is signed."""
        path = self.folder / name
        made = self.thecal("library", "make", path, "--name", "own", "--issuer", "us", "--version", version)
        assert made.code == 0, made.err
        text = path.read_text()
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)
        signed = self.thecal("library", "sign", path, "--key", self.key)
        assert signed.code == 0, signed.err
        return path


@pytest.fixture
def institution(quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Institution:  # noqa: F811
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("THECAL_LIBRARY", raising=False)
    key = tmp_path / "key.pem"
    made = quick_thecal("library", "make-key", key)
    assert made.code == 0, made.err
    assert key.stat().st_mode & 0o777 == 0o600
    public = made.out.strip()
    assert quick_thecal("library", "trust", public, "--name", "us").code == 0
    return Institution(tmp_path, key, public, quick_thecal)
