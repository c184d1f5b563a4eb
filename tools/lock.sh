#!/usr/bin/env bash
# Resolve the ranges of pyproject.toml once and write requirements/*.lock: exact versions with the hashes of every
# file that a version has, for every platform. Versions that still fit stay; UPGRADE=1 takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip -qq --disable-pip-version-check install 'uv>=0.8'

compile() { # output, argument...
  "$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
    --no-emit-index-url --custom-compile-command "make lock" -o "$@" pyproject.toml
}

extras=(--extra campaign --extra flash --extra exchange --extra web)
test=("${extras[@]}" --group setup --group docs --group test)
all=("${test[@]}" --group lint)

# One resolution for all of them: what the layers share has one version.
versions=$scratch/versions.txt
[ -n "${UPGRADE:-}" ] || cat requirements/*.lock | sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' | sort -u >"$versions"
compile "$versions" "${all[@]}" --group dist

layer() { # name, what for, argument...
  local lock=requirements/$1.lock what=$2
  shift 2
  compile "$scratch/lock" --generate-hashes --constraint "$versions" "$@"
  {
    echo "# $what Written by 'make lock' from the ranges in pyproject.toml; installed with --no-deps"
    echo "# --require-hashes. Do not edit by hand."
    cat "$scratch/lock"
  } >"$lock"
  rm "$scratch/lock"
  echo "$lock: $(grep -c == "$lock") packages"
}

mkdir -p requirements
layer run "What thecal needs to run, and to flash a board." --extra flash --group setup
layer dist "What making the wheel needs as well." --extra flash --group setup --group dist
layer docs "What the documentation's site needs as well." --extra flash --group setup --group docs
layer test "What the tests need as well." "${test[@]}"
layer lint "What the checks of the code need as well: everything." "${all[@]}"
