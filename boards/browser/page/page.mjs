// The page around the pump: a form, time, faults, and what is seen. Everything of the pump is in machine.mjs.

import { Pump, unpacked } from "../machine.mjs";
import { DEAD_PL, STEP_PL, Wrong, carriedNg, programOf, refusalText, scaled, timeText } from "./amounts.mjs";
import { plot } from "./plots.mjs";

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
const SAMPLE_US = HOUR_US / 6;
const TURN_MS = 30; // of work between two looks at what the person does
const POINTS = 400; // of a plot

const at = (id) => document.getElementById(id);
const samples = [{ us: 0, moved: 0, counted: 0, given: 0, tip: 0 }];
const fillings = [];
let pump;
let concentration = 0;
let untilUs = 0; // time passes up to then
let passing = false;

function say(text, wrong = false) {
  at("message").textContent = text;
  at("message").classList.toggle("wrong", wrong);
}

/** What a button does, its errors in words. */
async function doing(action) {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Wrong)) console.error(error);
    say(error instanceof Wrong ? error.message : `The pump does not run: ${error.message}. Load the page again.`, true);
  }
}

function sampled() {
  const displaced = pump.moved * STEP_PL;
  const given = carriedNg(fillings, displaced) / 1e6;
  const tip = carriedNg(fillings, displaced - DEAD_PL) / 1e6;
  return { us: pump.nowUs, moved: pump.moved, counted: pump.counted, given, tip };
}

/** At most POINTS of them, always the last one. */
function shown() {
  const every = Math.ceil(samples.length / POINTS);
  return samples.filter((_, i) => (samples.length - 1 - i) % every === 0);
}

function draw() {
  const now = sampled();
  const before = samples.findLast((sample) => sample.us < now.us) ?? now;
  const perDay = (from, to) => (to.us > from.us ? ((to.moved - from.moved) * STEP_PL * (DAY_US / (to.us - from.us))) / 1e9 : 0);
  const { show, world } = pump;
  const values = {
    clock: timeText(now.us),
    state: world.hung ? "hung" : show.state,
    alarms: show.alarms.map(([name, kind]) => `${name} (${kind})`).join(", ") || "none",
    moved: now.moved,
    counted: now.counted,
    rate: perDay(before, now).toFixed(3),
    given: now.given.toFixed(3),
    tip: now.tip.toFixed(3),
    reservoir: concentration ? (world.reservoirPl / 1e9).toFixed(3) : "-",
    resets: pump.lives - 1,
  };
  for (const [id, value] of Object.entries(values)) at(id).textContent = value;
  const points = shown();
  const days = points.map((point) => point.us / DAY_US);
  const rates = points.map((point, i) => (i ? perDay(points[i - 1], point) : 0));
  if (rates.length > 1) rates[0] = rates[1];
  plot(at("plot-rate"), days, [rates], `Rate over ${values.clock}: now ${values.rate} mL/day`);
  plot(at("plot-steps"), days, [points.map((point) => point.moved), points.map((point) => point.counted)],
    `Steps over ${values.clock}: ${values.moved} made, ${values.counted} counted`);
  plot(at("plot-dose"), days, [points.map((point) => point.tip), points.map((point) => point.given)],
    `Dose over ${values.clock}: ${values.tip} mg at the tip, ${values.given} mg out of the pump`);
}

function enable() {
  at("program").disabled = at("press").disabled = at("stall").disabled = at("hang").disabled = passing;
  at("halt").disabled = !passing;
  document.body.dataset.passing = passing;
}

/** So much time passes, in turns that leave the page alive. */
async function pass(us) {
  untilUs = (passing ? untilUs : pump.nowUs) + us;
  if (passing) return;
  passing = true;
  enable();
  say("Time passes ...");
  const [beganMs, beganUs] = [performance.now(), pump.nowUs];
  while (pump.nowUs < untilUs) {
    const turnMs = performance.now();
    while (pump.nowUs < untilUs && performance.now() - turnMs < TURN_MS) {
      await pump.advanceTo(Math.min(untilUs, (Math.floor(pump.nowUs / SAMPLE_US) + 1) * SAMPLE_US));
      if (pump.nowUs % SAMPLE_US === 0) samples.push(sampled());
    }
    draw();
    await new Promise((resolve) => setTimeout(resolve));
  }
  passing = false;
  enable();
  const times = Math.round((pump.nowUs - beganUs) / 1000 / Math.max(1, performance.now() - beganMs));
  say(`${timeText(pump.nowUs - beganUs)} have passed, ${times.toLocaleString("en")} times as fast as on a clock.`);
}

function answering() {
  if (pump.world.hung) throw new Wrong("The firmware hangs and does not answer; let time pass: the watchdog resets it");
}

function program() {
  answering();
  const values = programOf(new FormData(at("therapy")));
  const other = values.concentration_ng_per_ml !== concentration;
  const refill = concentration !== 0 && other; // another concentration comes with a refill
  const residual = Math.floor(pump.world.reservoirPl);
  taken(pump.program({ ...values, refill, residual_pl: refill ? residual : 0 }));
}

function press() {
  answering();
  const refused = pump.press();
  if (refused === null) say("The button was pressed. Nothing waited for it.");
  else taken(refused);
}

/** What the pump made of a program. */
function taken(refused) {
  if (refused === "needs_button") throw new Wrong("The pump wants its button pressed for this; press it");
  if (refused) throw new Wrong(`The pump refuses this: ${refusalText(refused)}`);
  const { concentration_ng_per_ml: ngPerMl, refill } = pump.waiting;
  if (ngPerMl !== concentration) fillings.push({ fromPl: pump.moved * STEP_PL, ngPerMl });
  concentration = ngPerMl;
  say(refill ? "Refilled and programmed." : "Programmed.");
  draw();
}

function stall() {
  const us = Number(scaled(new FormData(at("faults")).get("minutes"), 6, "Minutes") * 60n);
  pump.world.motor.stall(us);
  say("The motor is stalled: it is driven, and does not move. Let time pass.");
}

function hang() {
  pump.world.hang();
  say("The firmware hangs. Let time pass: the watchdog resets the pump after 8 s.");
  draw();
}

/** The form by the page's address, and days that pass at once: pump.html#flow=2&days=3 */
async function asAddressed() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of wanted) {
    const field = at("therapy").elements[name];
    if (field?.type === "checkbox") field.checked = value === "yes";
    else if (field) field.value = value;
  }
  if (!wanted.has("days")) return;
  const days = scaled(wanted.get("days"), 6, "days");
  program();
  await pass(Number(days * 86_400n));
}

function submitted(id, action) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    doing(action);
  });
}

async function start() {
  const packed = Uint8Array.from(atob(at("pack").textContent), (each) => each.charCodeAt(0));
  const files = await unpacked(packed);
  const wasm = new Blob([files.get("micropython.wasm")], { type: "application/wasm" });
  files.delete("micropython.wasm");
  pump = new Pump(files, URL.createObjectURL(wasm));
  await pump.boot();
  submitted("therapy", program);
  submitted("faults", stall);
  at("press").addEventListener("click", () => doing(press));
  at("hang").addEventListener("click", () => doing(hang));
  at("halt").addEventListener("click", () => (untilUs = pump.nowUs));
  for (const button of document.querySelectorAll("[data-pass]")) {
    button.addEventListener("click", () => doing(() => pass(button.dataset.pass * HOUR_US)));
  }
  pump.ask({ do: "go" });
  addEventListener("resize", draw);
  draw();
  enable();
  say("The pump has booted. Program it, then let time pass.");
  await doing(asAddressed);
  document.body.dataset.ready = "yes";
}

doing(start);
