#!/usr/bin/env python3
"""Write docs/images/monitor.png: the live monitor as it looks at an emulated pump that runs a therapy.

A real run: the firmware, its serial line, the screen of `thecal monitor` in 80 x 24, drawn from its own
SVG. Run from the project's root: .venv/bin/python tools/generate/monitor_picture.py
"""

import asyncio
import re
import sys
from pathlib import Path

import matplotlib
import resvg_py

from thecal import Pump
from thecal.emulator.emulator import Emulator
from thecal.monitor.app import LiveMonitor

ROOT = Path(__file__).resolve().parents[2]
HOUR_US = 3_600_000_000
WAIT_S = 60.0


def main() -> int:
    """Let a morning pass, then take the picture."""
    out = ROOT / "docs" / "images" / "monitor.png"
    with Emulator(seed=1) as emulator, Pump(emulator.port) as pump:
        pump.propose_program(ROOT / "examples" / "morphine-constant.toml").commit()
        for _ in range(3):
            emulator.bench.advance_by(2 * HOUR_US + 60_000_000)
            pump.patient_bolus()
        emulator.bench.advance_by(HOUR_US)
        pump.propose_bolus("0.2 mg", over="10 min").commit()
        emulator.bench.advance_by(HOUR_US // 12)
        svg = asyncio.run(picture(pump))
    out.write_bytes(as_png(svg))
    print(f"written to {out.relative_to(ROOT)}")
    return 0


async def picture(pump: Pump) -> str:
    """The screen once it has looked at the pump."""
    app = LiveMonitor(pump, 0.2)
    async with app.run_test(size=(80, 24)) as pilot:
        async with asyncio.timeout(WAIT_S):
            while app.last is None:
                await pilot.pause(0.02)
        await pilot.pause()
        svg = app.export_screenshot(title="thecal monitor")
        app.exit(None)
    return svg


def as_png(svg: str) -> bytes:
    """Drawn with a font that is here: the SVG names one from the web."""
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    svg = re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    drawn = resvg_py.svg_to_bytes(
        svg_string=svg,
        font_files=[str(font)],
        skip_system_fonts=True,
        monospace_family="DejaVu Sans Mono",
        width=1000,
    )
    return bytes(drawn)


if __name__ == "__main__":
    sys.exit(main())
