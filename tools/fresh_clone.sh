#!/usr/bin/env bash
# Does a stranger's first minute work? Clones the committed state into a temporary folder, sets it up twice with
# nothing of ours in the environment, times both, and runs the make targets named (default: none).
#
#     tools/fresh_clone.sh [target ...]        e.g. tools/fresh_clone.sh lint test run
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

git clone --quiet --no-hardlinks "$here" "$scratch/thecal"
cd "$scratch/thecal"
unset VIRTUAL_ENV PYTHONPATH MICROPYPATH MAKEFLAGS MAKELEVEL THECAL_PORT

timed() { # words...: run make with them and tell how long it took
  local start=$SECONDS
  make "$@" </dev/null
  echo "fresh clone: make $*: $((SECONDS - start)) s"
}

timed setup
timed setup
for package in host_tools/thecal protocol/thecal_protocol; do
  found=$(.venv/bin/python -c "import $(basename $package) as package; print(package.__file__)")
  if [ "$found" != "$PWD/$package/__init__.py" ]; then
    echo "fresh clone: $(basename $package) comes from $found" >&2
    exit 1
  fi
done
for target in "$@"; do
  timed "$target"
done
if [ -n "$(git status --porcelain)" ]; then
  echo "fresh clone: these files are neither committed nor ignored:"
  git status --porcelain
  exit 1
fi
