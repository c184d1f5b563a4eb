"""What pyproject.toml cannot say: the wheel carries the pump.

Firmware, boards, protocol and examples, which lie at the top of the project, go into the package, where
`thecal._io.paths` finds them. An editable install leaves them where they are.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("firmware", "protocol", "boards", "examples")
HOME = Path("thecal") / "_home"
NOT_CARRIED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.mpy", "*.egg-info")


class WithThePump(build_py):
    """Copies the top-level folders, too."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        home = Path(self.build_lib) / HOME
        shutil.rmtree(home, ignore_errors=True)  # of an earlier build
        for name in CARRIED:
            shutil.copytree(name, home / name, ignore=NOT_CARRIED)


setup(cmdclass={"build_py": WithThePump})
