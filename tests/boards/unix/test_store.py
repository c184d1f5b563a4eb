"""The flash in a file and the store on it: NOR semantics, restarts, power cuts at every operation."""

import pytest
from littlefs import LittleFS

from boards.unix.remote import SCRIPTS, Remote, remote_emulator
from thecal.emulator.testbench import PowerCut

BLOCKS = 352
BLOCK_BYTES = 4096
OLD = "old " * 200
NEW = "new! " * 300


def test_flash_is_nor(run_micropython, tmp_path):
    done = run_micropython(SCRIPTS / "nor.py", str(tmp_path / "flash"))
    assert done.stdout == "good\n"
    assert (tmp_path / "flash").stat().st_size == BLOCKS * BLOCK_BYTES


def test_documents_survive_a_restart(tmp_path):
    flash = tmp_path / "flash"
    with remote_emulator(flash=flash) as emulator:
        with Remote(emulator) as board:
            assert board.ask("load", name="therapy") is None
            board.ask("save", name="therapy", text=OLD)
        emulator.restart()
        with Remote(emulator) as board:
            assert board.ask("load", name="therapy") == OLD
            board.ask("save", name="therapy", text=NEW)
        emulator.kill()
        emulator.restart()
        with Remote(emulator) as board:
            assert board.ask("load", name="therapy") == NEW
    with remote_emulator(flash=flash) as emulator, Remote(emulator) as board:
        assert board.ask("load", name="therapy") == NEW


def test_without_a_file_the_flash_lasts_as_long_as_the_emulator():
    with remote_emulator() as emulator:
        with Remote(emulator) as board:
            board.ask("save", name="therapy", text=OLD)
            board.bench.power_cut()
        emulator.restart({"reset_cause": 3})
        with Remote(emulator) as board:
            assert board.ask("load", name="therapy") == OLD
            assert board.ask("about")[2] == 3


def test_another_littlefs_reads_the_file(tmp_path):
    flash = tmp_path / "flash"
    with remote_emulator(flash=flash) as emulator, Remote(emulator) as board:
        board.ask("save", name="therapy", text=OLD)
    other = LittleFS(block_size=BLOCK_BYTES, block_count=BLOCKS, prog_size=256, mount=False)
    other.context.buffer = bytearray(flash.read_bytes())
    other.mount()
    assert other.listdir("/") == ["therapy"]
    with other.open("therapy", "rb") as file:
        assert file.read() == OLD.encode()


def save_with_a_cut(emulator, operation: int) -> int | None:
    """Save NEW over OLD with the power cut in that flash operation. How many it took, if it had fewer."""
    with Remote(emulator) as board:
        before = board.bench.truth()
        board.bench.power_cut_at_flash_operation(operation)
        board.send("save", name="therapy", text=NEW)
        try:
            board.read_line()
        except PowerCut:
            return None
        assert board.ask("load", name="therapy") == NEW
        after = board.bench.truth()
    return after.flash_programs + after.flash_erases - before.flash_programs - before.flash_erases


@pytest.mark.req("INT-06", part="a document of the store")
def test_a_power_cut_at_any_operation_leaves_the_old_or_the_new(tmp_path):
    seen = []
    with remote_emulator(flash=tmp_path / "flash") as emulator:
        with Remote(emulator) as board:
            board.ask("save", name="therapy", text=OLD)
        image = (tmp_path / "flash").read_bytes()
        operations = None
        while operations is None:
            emulator.kill()
            (tmp_path / "flash").write_bytes(image)
            emulator.restart()
            operations = save_with_a_cut(emulator, len(seen) + 1)
            if operations is None:
                emulator.restart()
                with Remote(emulator) as board:
                    seen.append(board.ask("load", name="therapy"))
                    board.ask("save", name="therapy", text="and on")
                    assert board.ask("load", name="therapy") == "and on"
    assert len(seen) == operations
    assert set(seen) <= {OLD, NEW}
    assert seen == sorted(seen, reverse=True)  # old, old, ..., and from one operation on new
    assert seen[0] == OLD
