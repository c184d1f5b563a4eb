// MicroPython with the firmware in it, in a page or under node: what boots, and what is asked of it.

import { cbc, ecb } from "@noble/ciphers/aes.js";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";
import { World, hardware } from "./world.mjs";

const HOME = "/pump";
const MANIFEST = `${HOME}/manifest`;
const HEAP_BYTES = 1 << 20;
export const DAY_US = 86_400_000_000;

/** Files by path from a pack (tools/generate/browser_pump.py): sizes by path as JSON, its length before it, all bytes. */
export async function unpacked(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const all = new Uint8Array(await new Response(stream).arrayBuffer());
  const head = new DataView(all.buffer).getUint32(0, true);
  let at = 4 + head;
  const sizes = Object.entries(JSON.parse(new TextDecoder().decode(all.subarray(4, at))));
  return new Map(sizes.map(([path, size]) => [path, all.subarray(at, (at += size))]));
}

/** MicroPython with these files, and with the world that its module `hardware` reaches. */
export async function started(files, wasmUrl, world, print = (line) => console.log(line)) {
  const micropython = await loadMicroPython({ url: wasmUrl, heapsize: HEAP_BYTES, stdout: print, stderr: print });
  const made = new Set();
  const folder = (path) => {
    if (!path || made.has(path)) return;
    folder(path.slice(0, path.lastIndexOf("/")));
    micropython.FS.mkdir(path);
    made.add(path);
  };
  for (const [path, bytes] of files) {
    const file = `${HOME}/${path}`;
    folder(file.slice(0, file.lastIndexOf("/")));
    micropython.FS.writeFile(file, bytes);
  }
  const random = (size) => crypto.getRandomValues(new Uint8Array(size));
  micropython.registerJsModule("hardware", hardware(world, micropython._module, { cbc, ecb }, random));
  const path = ["firmware", "protocol", "boards/common", "boards/browser"].map((each) => `${HOME}/${each}`);
  micropython.runPython(`import sys; sys.path[:] = ${JSON.stringify(path)}`);
  return micropython;
}

/** A pump and its world, over resets. */
export class Pump {
  constructor(files, wasmUrl) {
    this.files = files;
    this.wasmUrl = wasmUrl;
    this.lives = 0;
    this.beforeUs = 0; // of the lives before
    this.movedBefore = 0;
    this.countedBefore = 0;
    this.show = null; // the pump's own account
  }

  async boot(life = {}) {
    this.world = new World(life);
    const micropython = await started(this.files, this.wasmUrl, this.world);
    micropython.runPython("import page_pump");
    this._ask = micropython.globals.get("page_pump").boot(MANIFEST);
    this.lives++;
  }

  /** One request; what came of it. Error: the firmware could not. */
  ask(request) {
    const answer = JSON.parse(this._ask(JSON.stringify(request)));
    this.show = answer.show ?? this.show;
    return answer;
  }

  get nowUs() {
    return this.beforeUs + this.world.nowUs;
  }

  get moved() {
    this.world.motor.settle();
    return this.movedBefore + this.world.motor.moved;
  }

  /** Steps by the pump's own account: since its boot, and in the lives before. */
  get counted() {
    return this.countedBefore + (this.show?.counted ?? 0);
  }

  /** Time passes up to then; a pump that is reset on the way boots again. */
  async advanceTo(untilUs) {
    while (this.nowUs < untilUs) {
      const { world } = this;
      world.targetUs = untilUs - this.beforeUs;
      let over = false;
      if (world.hung) {
        over = world.biteUs <= world.targetUs;
        world.nowUs = Math.min(world.biteUs, world.targetUs);
      } else {
        over = this.ask({ do: "go" }).reset;
      }
      if (over) await this.#again();
    }
  }

  async #again() {
    const { world } = this;
    this.beforeUs = this.nowUs;
    this.movedBefore = this.moved;
    this.countedBefore = this.counted;
    const { stepVolumePl, reservoirPl } = world;
    await this.boot({ disk: world.disk, latch: world.latch, survived: world.motor.executed, causeOfReset: 3 });
    Object.assign(this.world, { fillPl: reservoirPl, stepVolumePl });
  }

  /** Program the pump; what it refuses, or an empty text. */
  program(values) {
    this.waiting = values;
    return this.#programmed(this.ask({ do: "program", ...values }));
  }

  /** The pump's button is pressed. Nothing waited for it: null, else as `program`. */
  press() {
    this.world.presses++;
    const answer = this.ask({ do: "press" });
    return answer.program || answer.refused ? this.#programmed(answer) : null;
  }

  #programmed(answer) {
    if (answer.refused) return answer.refused;
    const { step_volume_pl, fill_pl, refill } = this.waiting;
    const { world } = this;
    if (refill || !world.stepVolumePl) world.fillPl = world.motor.moved * step_volume_pl + fill_pl;
    world.stepVolumePl = step_volume_pl;
    this.sent = answer.program;
    return "";
  }
}
