"""Signed bundles of firmware: who may put what onto a board, and that nothing half done stays."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host.firmware_build.fake_board import FakeBoard
from host.firmware_build.test_install import FILES, NEWER, SETTINGS, started
from support.ready_command import run_command
from thecal.errors import FlashError
from thecal.firmware_build import bundle, chip
from thecal.firmware_build import install as chip_flash
from thecal.therapy.drug_library import signing
from thecal_protocol.version import VERSION

MAKER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ANOTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SIGNER = signing.public_hex(MAKER)


@pytest.fixture
def board(micropython):
    made = FakeBoard(micropython)
    yield made
    made.close()


def made(folder: Path, version: str = "0.2.0", files=FILES, key=MAKER) -> bundle.Bundle:
    path = folder / f"{version}.thecal"
    bundle.make(path, files, version, key)
    return bundle.read(path)


def install(console, signed: bundle.Bundle | None, signer: str = "") -> str:
    files = FILES if signed is None else signed.files
    return chip_flash.install(console, files, SETTINGS, lambda _: None, signed=signed, signer=signer)


@pytest.mark.req("SEC-13", part="the signature covers version and every byte")
def test_what_was_altered_is_refused(tmp_path: Path):
    path = tmp_path / "good.thecal"
    bundle.make(path, FILES, "0.2.0", MAKER)
    assert bundle.read(path) == bundle.Bundle(SIGNER, "0.2.0", FILES)
    with zipfile.ZipFile(path) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}

    def refused(contents: dict[str, bytes], says: str) -> None:
        bad = tmp_path / "bad.thecal"
        with zipfile.ZipFile(bad, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
        with pytest.raises(FlashError, match=says):
            bundle.read(bad)

    about = json.loads(good[bundle.ABOUT])
    for name, data in good.items():
        if name == bundle.ABOUT:
            continue
        refused({**good, name: data[:-1] + b"?"}, "does not cover")
        refused({k: v for k, v in good.items() if k != name}, "does not cover")
    refused({**good, "files/more.mpy": b"M"}, "does not cover")
    for change in ({"firmware": "0.9.0"}, {"files": {}}, {"more": 1}):
        refused({**good, bundle.ABOUT: json.dumps({**about, **change}).encode()}, "altered")
    unsigned = {name: value for name, value in about.items() if name != "signature"}
    refused({**good, bundle.ABOUT: json.dumps(unsigned).encode()}, "no signed bundle")
    refused({}, "no signed bundle")
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    with pytest.raises(FlashError, match="no signed bundle"):
        bundle.read(tmp_path / "noise")
    with pytest.raises(FlashError, match="cannot be read"):
        bundle.read(tmp_path / "none")


@pytest.mark.req("SEC-13", part="a library's signature is none of a bundle's")
def test_signatures_of_libraries_do_not_fit(tmp_path: Path):
    path = tmp_path / "bundle.thecal"
    bundle.make(path, FILES, "0.2.0", MAKER)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(contents[bundle.ABOUT])
    public, value = signing.sign(about, MAKER)
    about["signature"] = {"key": public, "value": value}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**contents, bundle.ABOUT: json.dumps(about).encode()}.items():
            archive.writestr(name, data)
    with pytest.raises(FlashError, match="altered"):
        bundle.read(path)


@pytest.mark.req("SEC-13", part="one signer, no older version")
def test_a_board_remembers_its_signer_and_version(board, tmp_path: Path):
    first = made(tmp_path)
    with pytest.raises(FlashError, match="nobody vouches"):
        install(board, first)
    assert not board.fs_exists("/active")
    install(board, first, SIGNER)
    assert started(board) == FILES
    for signed, says in (
        (None, "nothing but bundles"),
        (made(tmp_path, files=NEWER, key=ANOTHER), "signed by"),
        (made(tmp_path, "0.1.9", NEWER), "has had 0.2.0"),
        (made(tmp_path, "0.1.10", NEWER), "has had 0.2.0"),
    ):
        with pytest.raises(FlashError, match=says):
            install(board, signed, SIGNER)
        assert started(board) == FILES
    install(board, made(tmp_path, "0.2.0", NEWER))
    install(board, made(tmp_path, "0.10.0", NEWER))
    assert started(board) == NEWER
    with pytest.raises(FlashError, match=r"has had 0\.10\.0"):
        install(board, made(tmp_path, "0.2.0", FILES))


@pytest.mark.req("SEC-13", part="an update that is interrupted recovers")
def test_unplugged_at_any_operation_of_an_update(board, tmp_path: Path):
    old, new = made(tmp_path), made(tmp_path, "0.3.0", NEWER)
    install(board, old, SIGNER)
    before = board.operations
    install(board, new)
    total = board.operations - before
    board.fs_writefile("/signed", bundle.mark(old))
    for cut in range(0, total, 2):
        board.fs_writefile("/signed", bundle.mark(old))
        install(board, old)
        board.left = cut
        with pytest.raises(FlashError, match="went away"):
            install(board, new)
        board.left = None
        board.exec("try:\n    f.close()\nexcept Exception:\n    pass")  # as the reset of a real board does
        assert started(board) in (FILES, NEWER)
        install(board, new)
        assert started(board) == NEWER


@pytest.mark.req("SEC-13", part="by the command line")
def test_by_the_command_line(tmp_path: Path):
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, timeout=120)

    key, file = tmp_path / "key.pem", tmp_path / "firmware.thecal"
    assert run("library", "make-key", key).returncode == 0
    assert "--key" in run("flash", "--make-bundle", file).stderr
    done = run("flash", "--make-bundle", file, "--key", key)
    assert done.returncode == 0, done.stderr
    assert VERSION in done.stdout
    again = tmp_path / "again.thecal"
    run("flash", "--make-bundle", again, "--key", key)
    assert again.read_bytes() == file.read_bytes()
    assert bundle.read(file).signer in done.stdout
    refused = run("flash", "--bundle", tmp_path / "none", "--port", "/dev/null")
    assert refused.returncode == 1
    assert "cannot be read" in refused.stderr


def test_json_of_an_image_and_of_a_bundle(tmp_path: Path):
    def run(*arguments: object) -> dict[str, object]:
        done = run_command(*arguments, "--json", timeout=120, check=True)
        assert done.stderr == ""
        return json.loads(done.stdout)

    key, file, image = tmp_path / "key.pem", tmp_path / "firmware.thecal", tmp_path / "thecal.uf2"
    run("library", "make-key", key)
    document = run("flash", "--make-bundle", file, "--key", key)
    made = bundle.read(file)
    build = chip.build_name(made.files)
    assert document == {
        "schema": 1, "bundle": str(file), "build": build, "firmware": made.firmware, "signer": made.signer,
        "files": len(made.files),
    }  # fmt: skip
    document = run("flash", "--image", image)
    assert document == {"schema": 1, "image": str(image), "build": build, "micropython": False}
    assert image.read_bytes()[:4] == b"UF2\n"
