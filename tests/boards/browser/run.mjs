// Works the pump in the page under node: run.mjs PACK WASM JOB, a JSON object; prints what came of it as JSON.
//
// conformance: the suite's findings, on time that passes by itself. day: a program, and time that passes in pieces, with a
// stall in the middle if one is asked for; the instants of all steps go into a file, as the unix board's bench writes them.

import { readFileSync, writeFileSync } from "node:fs";
import { Pump, started, unpacked } from "../../../boards/browser/machine.mjs";
import { World } from "../../../boards/browser/world.mjs";

const [pack, wasm, job] = process.argv.slice(2);
const request = JSON.parse(job);
const files = await unpacked(readFileSync(pack));

async function conformance() {
  const world = new World();
  world.targetUs = Number.MAX_SAFE_INTEGER;
  files.set("boards/browser/conformance.py", readFileSync(request.suite));
  const micropython = await started(files, wasm, world);
  micropython.runPython("import json, board, conformance\nfound = json.dumps(conformance.findings(board.Board()))");
  return { found: JSON.parse(micropython.globals.get("found")), moved: world.motor.moved };
}

async function day() {
  const pump = new Pump(files, wasm);
  await pump.boot();
  pump.world.motor.trace = [];
  const refused = pump.program(request.program);
  for (const untilUs of request.until_us) {
    await pump.advanceTo(untilUs);
    if (untilUs === request.stall?.[0]) pump.world.motor.stall(request.stall[1]);
    if (untilUs === request.hang) pump.world.hang();
  }
  const steps = pump.world.motor.trace;
  if (request.trace) writeFileSync(request.trace, BigUint64Array.from(steps, BigInt));
  const status = pump.ask({ do: "status" });
  const { lateRuns, lost } = pump.world.motor;
  return { refused, sent: pump.sent, moved: pump.moved, lost, lateRuns, lives: pump.lives, show: pump.show, status };
}

console.log(JSON.stringify(await { conformance, day }[request.do]()));
