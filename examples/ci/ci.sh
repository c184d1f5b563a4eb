#!/bin/sh
# Any CI that has a shell and Python 3.11: checks a therapy, lets a month pass, and runs a host of your own (here: hello.c)
# on a pump that runs beside it.
set -eu
: "${THERAPY:=examples/morphine-constant.toml}" "${CC:=cc}"
export THECAL_STORE=off

python -m pip install "${THECAL:-thecal}"
thecal check "$THERAPY" --json > thecal-check.json
thecal simulate "$THERAPY" --for 30d --seed 1 --json > thecal-simulate.json

"$CC" -o hello examples/hello.c
thecal emulate --seed 1 --link "$PWD/pump" --json > pump.json &
emulator=$!
trap 'kill $emulator' EXIT
until [ -s pump.json ]; do # one document, once the pump is ready
  kill -0 $emulator
  sleep 0.1
done
./hello "$PWD/pump"
