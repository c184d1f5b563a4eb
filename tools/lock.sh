#!/usr/bin/env bash
# Resolve the ranges of pyproject.toml afresh and write every exact version to requirements.lock.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${PYTHON:-python3}" -m venv "$scratch/venv"
pip=("$scratch/venv/bin/python" -m pip -qq --disable-pip-version-check)
"${pip[@]}" install --upgrade 'setuptools>=77'
"${pip[@]}" install --no-build-isolation -e '.[dev,campaign,exchange,docs,flash]'
{
  echo "# Every package of the environment, exactly. Written by 'make lock' from the ranges in pyproject.toml;"
  echo "# installed by 'make setup' with --no-deps. Do not edit by hand."
  "${pip[@]}" freeze --all --exclude thecal --exclude pip
} >"$scratch/requirements.lock"
mv "$scratch/requirements.lock" requirements.lock
echo "requirements.lock: $(grep -c == requirements.lock) packages"
