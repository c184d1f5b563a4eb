"""What the host knows of a board stands in its build.toml: a second board, and wrong files."""

import re
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from host.firmware_build.fake_board import FakeBoard
from support.ready_command import run_command
from thecal.cli import which_pump
from thecal.errors import BoardError, FlashError
from thecal.firmware_build import chip, facts, install, ports

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = install.settings_text(serial="usb", production=False, serial_number="")
FILES = {"thecal_main.mpy": b"main" * 50}
CHIP = ROOT / "boards" / "rp2040" / "build.toml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree like the project's, whose boards may be changed."""
    for name in ("firmware", "protocol"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "boards", tmp_path / "boards", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("THECAL_HOME", str(tmp_path))
    return tmp_path


def board_like(home: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Another board's folder: that of the RP2040 with these texts of its build.toml replaced."""
    folder = home / "boards" / name
    shutil.copytree(home / "boards" / "rp2040", folder)
    text = (folder / "build.toml").read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "build.toml").write_text(text)
    return folder


OTHER = (
    ("-march=armv6m", "-march=armv7emsp"),
    ('image = "RPI_PICO"', 'image = "RPI_PICO2"'),
    ('machine = "RP2040"', 'machine = "RP2350"'),
    ('refused = ["Pico W"]', 'refused = ["Pico 2 W", "Plus"]'),
    ("oldest = [1, 27]", "oldest = [1, 24]"),
    ("uf2_family = 0xE48B_FF56", "uf2_family = 0xE48B_FF59"),
    ("offset = 0xA_0000", "offset = 0x10_0000"),
    ("blocks = 352", "blocks = 40"),
    ("block_bytes = 4096", "block_bytes = 8192"),
)


def test_a_port_is_known_by_its_boards_ids(home: Path, monkeypatch: pytest.MonkeyPatch):
    def port(device: str, vid: int, pid: int) -> SimpleNamespace:
        return SimpleNamespace(
            device=device, vid=vid, pid=pid, serial_number=None, product="FT232R", description=""
        )

    mine, other = port("/dev/a", 0x2E8A, 5), port("/dev/b", 0x0403, 0x6001)
    monkeypatch.setattr(list_ports, "comports", lambda: [other, mine])
    assert [(each.device, each.likely) for each in ports.found()] == [("/dev/a", True), ("/dev/b", False)]
    usb = (("vendor = 0x2E8A", "vendor = 0x0403"), ("micropython = 0x0005", "micropython = 0x6001"))
    board_like(home, "made-up", *usb, ('machine = "RP2040"', 'machine = "RP2350"'))
    words = ["RP2040 with MicroPython", "RP2350 with MicroPython"]
    assert [each.description for each in ports.found() if each.likely] == words
    (home / "boards/made-up/build.toml").write_text("")
    with pytest.raises(BoardError):
        ports.found()
    assert which_pump.here() == []


def test_another_board_is_another_folder(home: Path, micropython: Path, tmp_path: Path):
    folder = board_like(home, "made-up", *OTHER)
    (folder / "loader.py").write_text("# another one\n")
    board = facts.chip("made-up")
    pages = install.pages_of(install.file_system(FILES, SETTINGS, board), 0x10_0000, board)
    assert min(pages) == 0x1010_0000
    assert max(pages) < 0x1010_0000 + 40 * 8192
    data = install.uf2(pages, board)
    assert struct.unpack_from("<I", data, 28) == (0xE48B_FF59,)
    image = tmp_path / "image.uf2"
    image.write_bytes(data)
    with pytest.raises(FlashError, match=r"is not for an RP2040; name a MicroPython UF2 for RPI_PICO$"):
        install.uf2_pages(image)
    with pytest.raises(FlashError, match="reaches into the file system"):
        install.uf2_pages(image, board)
    for version, machine, says in (
        (
            (1, 28),
            "Pico with RP2040",
            "on Pico with RP2040; put MicroPython 1.24 to 1.28 for RPI_PICO2",
        ),
        ((1, 28), "Plus with RP2350", "the board is a Plus"),
        ((1, 23), "Pico2 with RP2350", "which is untried; put MicroPython 1.24 to 1.28 for RPI_PICO2 on it"),
    ):
        console = FakeBoard(micropython, about=("micropython", version, 6, machine))
        with pytest.raises(FlashError, match=says):
            install.install(console, FILES, SETTINGS, lambda _: None, board=board)
        console.close()
    console = FakeBoard(micropython, about=("micropython", (1, 24), 6, "Raspberry Pi Pico2 with RP2350"))
    install.install(console, FILES, SETTINGS, lambda _: None, board=board)
    assert bytes(console.fs_readfile("/main.py")) == b"# another one\n"
    console.close()


def test_another_board_is_built_by_its_own_facts(home: Path):
    """Its modules, its options, and what is rare there."""
    changes = (*OTHER, ('    "pump.link.x25519",\n', ""), ('"BUTTON", "BUZZER"', '"LED"'))
    folder = board_like(home, "made-up", *changes)
    (folder / "more.py").write_text("MORE = 5\n")
    board = facts.chip("made-up")
    text = (
        "import micropython\nfrom pump.link.x25519 import X25519\n"
        "@micropython.native\ndef run(curve):\n    return curve(b'')\nrun(X25519)\n"
    )
    here = chip.build({"rig": text}, "rig")
    there = chip.build({"rig": text}, "rig", board=board)
    assert "thecal_rare.mpy" in here
    assert "thecal_rare.mpy" not in there
    assert here["thecal.mpy"][2] >> 2 & 15 != there["thecal.mpy"][2] >> 2 & 15  # the machine it is for
    assert b"BUZZER" in here["pins.mpy"]
    assert b"LED" in there["pins.mpy"]
    assert chip.sources(board).keys() - chip.sources().keys() == {"more"}


def test_thecal_flash_takes_a_board_by_its_name(home: Path, tmp_path: Path):
    done = run_command("flash", "--image", str(tmp_path / "x.uf2"), "--board", "made-up")
    assert done.returncode == 1
    assert done.stderr == (
        "there is no boards/made-up/build.toml; name one of these boards: browser, rp2040, unix\n"
    )
    done = run_command("flash", "--image", str(tmp_path / "x.uf2"), "--board", "unix")
    assert done.stderr == (
        "boards/unix/build.toml: kind is 'process', not \"chip\"; name a board of that kind\n"
    )
    done = run_command("flash", "--image", str(tmp_path / "x.uf2"), "--board", "../boards/rp2040")
    assert "there is no boards/../boards/rp2040/build.toml" in done.stderr
    assert not (tmp_path / "x.uf2").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mpy = 6", "", "micropython.mpy is missing; known are: image, machine, mpy"),
        ("mpy = 6", "mpy = -6", "micropython.mpy is -6, not a whole number"),
        ("mpy = 6", 'mpy = "6"', "micropython.mpy is '6', not a whole number"),
        ("mpy = 6", "mpy = true", "micropython.mpy is True, not a whole number"),
        ("mpy = 6", "mpy = 6\ncolour = 1", "micropython.colour is not known here"),
        ("mpy = 6", "mpy =", "is no TOML: "),
        ("oldest = [1, 27]", "oldest = [1]", "micropython.oldest is [1], not a list of 2"),
        ("oldest = [1, 27]", "oldest = 1.27", "micropython.oldest is 1.27, not a list of 2"),
        ("oldest = [1, 27]", 'oldest = [1, "27"]', "micropython.oldest is '27', not a whole number"),
        ('image = "RPI_PICO"', 'image = ""', "micropython.image is '', not a text"),
        ("[file_system]", "[file-system]", "file-system is not known here"),
        ("[flash]", "[[flash]]", "flash is [{"),
        ('kind = "chip"', "", "kind is None, not \"chip\""),
        ('"folder", ', '"binder", ', "modules.common names binder, and there is no boards/common/binder.py"),
        ('loader = "loader"', 'loader = "lead"', "modules.loader is lead, and there is no boards/bad/lead"),
        ("pump.link.x25519", "pump.link.x448", "modules.rare names pump.link.x448, and there is no"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_one_line(home: Path, old: str, new: str, says: str):
    board_like(home, "bad", (old, new))
    with pytest.raises(BoardError) as caught:
        chip.sources(facts.chip("bad"))
    assert re.fullmatch(rf"boards/bad/build\.toml:? {re.escape(says)}[^\n]*", str(caught.value))


def test_the_emulated_pump_starts_by_its_facts(home: Path):
    file = home / "boards" / "unix" / "build.toml"
    file.write_text(file.read_text().replace('"testbench"]', '"bench"]'))
    done = run_command("simulate", str(ROOT / "examples" / "morphine-constant.toml"), "--for", "1h")
    assert done.returncode == 1
    assert done.stderr.startswith("boards/unix/build.toml: modules.folders names bench")
    file.write_text("kind = 1\n")
    done = run_command("simulate", str(ROOT / "examples" / "morphine-constant.toml"), "--for", "1h")
    assert done.stderr.startswith('boards/unix/build.toml: kind is 1, not "process"; ')
    assert done.stderr.count("\n") == 1


def test_every_folder_of_boards_with_a_board_has_its_facts():
    boards = {file.parent.name for file in (ROOT / "boards").glob("*/board.py")}
    assert boards == {file.parent.name for file in (ROOT / "boards").glob("*/build.toml")}
    assert facts.process().modules.folders[0] == "."
    assert facts.chip().facts.flash.block_bytes == facts.process().flash.block_bytes
    assert facts.chip().facts.file_system.blocks == facts.process().flash.blocks


def test_the_page_says_of_itself_what_is_there(home: Path):
    assert "provisioning" in facts.page(home).modules.common
    file = home / "boards" / "browser" / "build.toml"
    file.write_text(file.read_text().replace('"folder"', '"folders"'))
    with pytest.raises(BoardError, match=r"common names folders, and there is no boards/common/folders\.py"):
        facts.page(home)


def test_no_fact_of_a_board_is_typed_in_the_host():
    """Numbers of a chip, and names of its image: they come from build.toml."""
    said = re.compile(r"0xA_?0000|0xE48B_?FF56|\b352\b|armv6m|RPI_PICO|Pico W|small-int-bits", re.IGNORECASE)
    files = (ROOT / "host_tools" / "thecal").rglob("*.py")
    assert [str(file) for file in files if said.search(file.read_text())] == []
