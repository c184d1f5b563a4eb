// What is around the pump in a page: time, motor, serial line, flash, sensors, and what physically happened.
//
// The board (board.py) calls the functions of `hardware()` from MicroPython; the page works the rest, as a bench would.
// Times are whole microseconds since boot, volumes whole picolitres: both exact as numbers up to 2^53. What a run's rule
// (docs/reference/board-interface.md, Runs) needs beyond that is in BigInt. Time stands still but in a wait, and passes up
// to `targetUs`; there the pump's wait ends early, and the board hands back to the page.

export const PAUSED = -1;
export const BITTEN = -2;

const TICKS_MASK = 0x3fffffff;
const MAX_STEPS = 64;
const MAX_RUNS = 2;
const MAX_LIMBS = 48;
const LIMB_BITS = 15n;
const DAY_US = 86_400_000_000;
const CELL_UC = 7_200_000_000; // as the unix board's: 2 Ah, 30 uA all the time, 4 uC a step
const CURVE = [[0, 2200], [5, 2400], [52, 2700], [100, 2850], [500, 2950], [900, 3050], [1000, 3250]]; // permille, mV
const NOISE = [100, 4, 150, 300];
const LOW_PL = 1_000_000_000; // below a millilitre the bellows pull
const [ENOENT, EEXIST] = [2, 17];

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

class Motor {
  constructor(world) {
    this.world = world;
    this.runs = [];
    this.left = 0; // appended, not yet driven
    this.executed = 0;
    this.lost = 0; // driven while stalled or disabled
    this.epochUs = 0;
    this.on = true;
    this.stalledUntilUs = -1;
    this.trace = null; // a list: the instant of every step that moved
    this.lateRuns = 0;
  }

  get moved() {
    return this.executed - this.lost;
  }

  append(run) {
    this.settle();
    if (this.runs.length === MAX_RUNS || run.steps < 1 || run.steps > MAX_STEPS - this.left) return false;
    run.due -= this.epochUs;
    run.appendedUs = this.world.nowUs;
    if (run.due < run.appendedUs) this.lateRuns++;
    this.runs.push(run);
    this.left += run.steps;
    return true;
  }

  /** Make every step due by now. */
  settle() {
    const now = this.world.nowUs;
    while (this.runs.length && this.runs[0].due <= now) {
      const run = this.runs[0];
      this.#make(Math.max(run.due, run.appendedUs));
      if (--run.steps === 0) {
        this.runs.shift();
      } else if (run.lead >= run.carry) {
        run.due += run.gapUs;
        run.lead -= run.carry;
      } else {
        run.due += run.gapUs + 1;
        run.lead += run.modulus - run.carry;
      }
    }
  }

  #make(whenUs) {
    this.executed++;
    this.left--;
    if (!this.on || whenUs <= this.stalledUntilUs) this.lost++;
    else this.trace?.push(whenUs);
  }

  cancel() {
    this.settle();
    this.runs = [];
    this.left = 0;
  }

  enable(on) {
    this.settle();
    this.on = on;
  }

  stall(forUs) {
    this.settle();
    this.stalledUntilUs = this.world.nowUs + forUs;
  }
}

/** Files by path, in memory. They outlive the pump's software, as flash does. */
export class Disk {
  constructor() {
    this.files = new Map();
    this.folders = new Set();
  }

  list(folder) {
    const under = folder && folder !== "/" ? `${folder}/` : "";
    const here = (path) => path.startsWith(under) && !path.slice(under.length).includes("/");
    const files = [...this.files].filter(([path]) => here(path)).map(([path, file]) => [path, 0x8000, file.size]);
    const folders = [...this.folders].filter(here).map((path) => [path, 0x4000, 0]);
    return JSON.stringify([...files, ...folders].map(([path, type, size]) => [path.slice(under.length), type, 0, size]));
  }
}

class OpenFiles {
  constructor(disk) {
    this.disk = disk;
    this.open = new Map();
    this.next = 1;
  }

  opened(path, mode) {
    const { files } = this.disk;
    if (mode.startsWith("w") || (mode.startsWith("a") && !files.has(path))) files.set(path, { bytes: new Uint8Array(64), size: 0 });
    const file = files.get(path);
    if (!file) return -ENOENT;
    this.open.set(this.next, { file, at: mode.startsWith("a") ? file.size : 0 });
    return this.next++;
  }

  write(handle, data) {
    const open = this.open.get(handle);
    const end = open.at + data.length;
    if (end > open.file.bytes.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(open.file.bytes);
      open.file.bytes = larger;
    }
    open.file.bytes.set(data, open.at);
    open.at = end;
    open.file.size = Math.max(open.file.size, end);
  }

  read(handle, most) {
    const open = this.open.get(handle);
    const data = open.file.bytes.subarray(open.at, Math.min(open.file.size, open.at + most));
    open.at += data.length;
    return data;
  }
}

export class World {
  /** `disk`, `latch`, `survived`: what is left of the life before; `serial`: the pump's number. */
  constructor({ disk = new Disk(), latch = 0, survived = -1, causeOfReset = 1 } = {}) {
    this.disk = disk;
    this.latch = latch;
    this.survived = survived;
    this.causeOfReset = causeOfReset;
    this.nowUs = 0;
    this.targetUs = 0;
    this.motor = new Motor(this);
    this.toPump = [];
    this.fromPump = [];
    this.listening = true;
    this.light = false;
    this.buzzer = 0;
    this.presses = 0;
    this.stepVolumePl = 0;
    this.fillPl = 0;
    this.dogUs = 0;
    this.biteUs = Infinity;
    this.freeSleep = true;
    this.hung = false;
  }

  // --- time ---

  wait(delayUs) {
    if (this.listening && this.toPump.length) return this.ticks();
    let endUs = this.nowUs + delayUs;
    const bites = !this.freeSleep && this.biteUs < endUs;
    if (bites) endUs = this.biteUs;
    if (endUs > this.targetUs) {
      this.nowUs = Math.max(this.nowUs, this.targetUs);
      this.#slept();
      return PAUSED;
    }
    this.nowUs = endUs;
    if (bites) return BITTEN;
    this.#slept();
    return this.ticks();
  }

  #slept() {
    if (!this.dogUs || !this.freeSleep) return;
    this.freeSleep = false;
    this.biteUs = this.nowUs + this.dogUs;
  }

  feed() {
    if (!this.dogUs) return 0;
    if (this.nowUs >= this.biteUs) return BITTEN;
    this.biteUs = this.nowUs + this.dogUs;
    this.freeSleep = true;
    return 0;
  }

  /** The software never comes back from its wait: time passes, the motor makes what it holds, the watchdog bites. */
  hang() {
    this.hung = true;
    this.biteUs = this.nowUs + this.dogUs;
  }

  startWatchdog(timeoutUs, firstSleepIsFree) {
    this.dogUs = timeoutUs;
    this.biteUs = this.nowUs + timeoutUs;
    this.freeSleep = firstSleepIsFree;
  }

  ticks() {
    return this.nowUs % (TICKS_MASK + 1);
  }

  // --- what physically happened ---

  get reservoirPl() {
    this.motor.settle();
    return Math.max(0, this.fillPl - this.motor.moved * this.stepVolumePl);
  }

  // --- sensors: a day's rhythm, a cell, the bellows; noise by the instant, for one that never moved would be broken ---

  sensors() {
    const level = this.reservoirPl;
    const phase = this.nowUs % DAY_US;
    const rise = Math.min(phase, DAY_US - phase) / (DAY_US / 2);
    const bellows = this.stepVolumePl && level < LOW_PL ? (-20_000 * (LOW_PL - level)) / LOW_PL : 0;
    const noise = (sensor) => {
      const roll = Math.imul((this.nowUs % TICKS_MASK) + 7919 * sensor, 0x2c1b3c6d) >>> 8;
      return (roll % (2 * NOISE[sensor] + 1)) - NOISE[sensor];
    };
    return [36_800 + 400 * rise, this.#millivolts(), bellows, 1000].map((value, sensor) => Math.floor(value) + noise(sensor));
  }

  #millivolts() {
    const drawn = Math.floor(this.nowUs / 1_000_000) * 30 + this.motor.executed * 4;
    const left = (Math.max(0, CELL_UC - drawn) * 1000) / CELL_UC;
    const i = Math.max(1, CURVE.findIndex(([permille]) => left <= permille));
    const [[from, low], [to, high]] = [CURVE[i - 1], CURVE[i]];
    return low + ((high - low) * (left - from)) / (to - from);
  }
}

/** The functions that board.py, disk.py and cryptolib.py call. Addresses are of MicroPython's memory. */
export function hardware(world, memory, { ecb, cbc }, randomBytes) {
  const { motor, disk } = world;
  const files = new OpenFiles(disk);
  const bytes = (at, size) => Uint8Array.from({ length: size }, (_, i) => memory.getValue(at + i, "i8") & 0xff);
  const put = (at, data) => data.forEach((byte, i) => memory.setValue(at + i, byte, "i8"));
  const word = (at, i) => memory.getValue(at + 4 * i, "i32");
  const number = (at, size) => {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << LIMB_BITS) | BigInt(memory.getValue(at + 2 * i, "i16") & 0x7fff);
    return value;
  };
  const settled = () => (motor.settle(), motor);
  return {
    ticks: () => world.ticks(),
    wait: (us) => world.wait(us),
    feed: () => world.feed(),
    start_watchdog: (ms, free) => world.startWatchdog(ms * 1000, free === 1),
    random: (at, size) => put(at, randomBytes(size)),
    cause: () => world.causeOfReset,
    survived: () => world.survived,
    latch: () => world.latch,
    put_latch: (value) => void (world.latch = value),
    led: (on) => void (world.light = on === 1),
    presses: () => world.presses,
    buzz: (pattern) => void (world.buzzer = pattern),
    sample: (at) => world.sensors().forEach((value, i) => memory.setValue(at + 4 * i, value, "i32")),
    listen: (on) => void (world.listening = on === 1),
    receive: (at, most) => {
      const taken = world.toPump.splice(0, most);
      put(at, taken);
      return taken.length;
    },
    send: (at, size) => void world.fromPump.push(...bytes(at, size)),
    to_pump: (at, size) => void world.toPump.push(...bytes(at, size)),
    from_pump: (at, most) => {
      const taken = world.fromPump.splice(0, most);
      put(at, taken);
      return taken.length;
    },
    epoch: (s, us) => void (motor.epochUs = s * 1_000_000 + us - world.nowUs),
    append: (at, size, lead, carry, modulus) =>
      size > MAX_LIMBS
        ? 0
        : +motor.append({
            steps: word(at, 0),
            due: word(at, 1) * 1_000_000 + word(at, 2),
            gapUs: word(at, 3) * 1_000_000 + word(at, 4),
            lead: number(lead, size),
            carry: number(carry, size),
            modulus: number(modulus, size),
          }),
    executed: () => settled().executed,
    in_flight: () => settled().left,
    lost: () => settled().lost,
    cancel: () => motor.cancel(),
    enable: (on) => motor.enable(on === 1),
    crc: (from, size, to) => {
      let crc = 0xffffffff;
      for (let i = 0; i < size; i++) crc = CRC[(crc ^ memory.getValue(from + i, "i8")) & 0xff] ^ (crc >>> 8);
      memory.setValue(to, (crc ^ -1) & 0xff, "i8");
      for (let i = 1; i < 4; i++) memory.setValue(to + i, ((crc ^ -1) >>> (8 * i)) & 0xff, "i8");
    },
    encrypt: (mode, key, size, iv, from, to, length) => {
      const raw = bytes(key, size);
      const cipher = mode === 1 ? ecb(raw, { disablePadding: true }) : cbc(raw, bytes(iv, 16), { disablePadding: true });
      const sealed = cipher.encrypt(bytes(from, length));
      put(to, sealed);
      if (mode === 2) put(iv, sealed.slice(-16));
    },
    file_open: (path, mode) => files.opened(path, mode),
    file_write: (handle, at, size) => files.write(handle, bytes(at, size)),
    file_read: (handle, at, most) => {
      const data = files.read(handle, most);
      put(at, data);
      return data.length;
    },
    file_seek: (handle, at) => void (files.open.get(handle).at = at),
    file_size: (handle) => files.open.get(handle).file.size,
    file_close: (handle) => void files.open.delete(handle),
    file_remove: (path) => (disk.files.delete(path) ? 0 : -ENOENT),
    file_rename: (path, to) => {
      if (!disk.files.has(path)) return -ENOENT;
      disk.files.set(to, disk.files.get(path));
      disk.files.delete(path);
      return 0;
    },
    folder_make: (path) => (disk.folders.has(path) ? -EEXIST : (disk.folders.add(path), 0)),
    folder_list: (path) => disk.list(path),
  };
}
