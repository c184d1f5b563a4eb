#!/usr/bin/env bash
# Every check that reads the code without running it. All of them run; the exit code tells whether any found fault.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${CHECK_PYTHON:-.venv/bin/python}
bin=$(dirname "$python")
failed=()

check() { # name, command...
  local name=$1
  shift
  echo "== $name"
  "$@" </dev/null || failed+=("$name")
}

check "ruff check" "$bin/ruff" check --quiet .
check "ruff format" "$bin/ruff" format --check --quiet .
# PYRIGHT_PYTHON_*: never look for a newer version over the network, never use another one than the lock's.
check "pyright" env PYRIGHT_PYTHON_IGNORE_WARNINGS=1 "$bin/pyright" --pythonpath "$python"
check "rooms" "$bin/lint-imports" --no-cache
check "layers" "$python" tools/checks/check_layers.py
check "code rules" "$python" tools/checks/check_code.py
check "traceability" "$python" tools/checks/traceability.py --check
check "changes" "$python" tools/checks/check_changes.py

if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint: failed: %s\n' "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
echo "lint: all clean"
