// What a person writes into the form, as the whole numbers that go to the pump; and doses by what has been displaced.

const DAY_US = 86_400_000_000;
export const FILL_PL = 40_000_000_000;
export const STEP_PL = 2500;
export const DEAD_PL = 335_800_000; // the examples' catheter

export class Wrong extends Error {}

/** A decimal number times 10^digits, exactly. Wrong: it is none, or not whole then. */
export function scaled(text, digits, name) {
  const match = /^\s*(\d{1,9})(?:\.(\d*))?\s*$/.exec(text);
  const rest = (match?.[2] ?? "").replace(/0+$/, "");
  if (!match) throw new Wrong(`${name}: "${text}" is no amount; write a decimal number such as 1.5`);
  if (rest.length > digits) throw new Wrong(`${name}: "${text}" has too many digits; write at most ${digits} after the point`);
  return BigInt(match[1] + rest.padEnd(digits, "0"));
}

/** The form as page_pump's `program` takes it. */
export function programOf(form) {
  const flow = scaled(form.get("flow"), 6, "Flow"); // nL/day
  const concentration = scaled(form.get("concentration"), 6, "Concentration"); // ng/mL
  if ((flow * concentration) % 1_000_000n) {
    throw new Wrong("Flow: times the concentration it is not a whole number of ng/day; write fewer digits");
  }
  return {
    fill_pl: FILL_PL,
    step_volume_pl: STEP_PL,
    dead_pl: DEAD_PL,
    concentration_ng_per_ml: Number(concentration),
    basal_ng_per_day: Number((flow * concentration) / 1_000_000n),
    boluses: form.get("bolus") ? [bolusOf(form)] : [],
  };
}

function bolusOf(form) {
  const every = scaled(form.get("every"), 6, "Every") * 3600n;
  return {
    dose_ng: Number(scaled(form.get("dose"), 6, "Dose")),
    duration_us: Number(scaled(form.get("lasting"), 6, "Lasting") * 60n),
    every_us: Number(every),
    first_us: Number(every),
  };
}

/** ng that this much displaced volume carried: `fillings` say from which volume on which concentration left the reservoir. */
export function carriedNg(fillings, displacedPl) {
  return fillings.reduce((total, { fromPl, ngPerMl }, i) => {
    const untilPl = Math.min(displacedPl, fillings[i + 1]?.fromPl ?? Infinity);
    return total + (Math.max(0, untilPl - fromPl) * ngPerMl) / 1e9;
  }, 0);
}

const UNITS = [["_pl_per_day", 1e9, "mL/day"], ["_ng_per_day", 1e6, "mg/day"], ["_ng_per_ml", 1e6, "mg/mL"], ["_ng", 1e6, "mg"],
  ["_pl", 1e9, "mL"], ["_us", 60e6, "min"]];
const REASONS = {
  max_rate: "all of it together would flow faster than 24 mL/day; give a bolus more time",
  reservoir: "there is not enough in the reservoir",
};

/** What the pump refuses, in words: its reason, the field, and a bound where one was passed (docs/reference/protocol.md). */
export function refusalText(refused) {
  const [reason, ...detail] = refused.split(" ");
  const [low, high] = detail.slice(-2).map(Number);
  const name = detail.at(-3) ?? "";
  const unit = UNITS.find(([ending]) => name.endsWith(ending));
  if (reason === "out_of_range" && unit && !Number.isNaN(low + high)) {
    const [ending, scale, word] = unit;
    return `${name.slice(0, -ending.length).replaceAll("_", " ")} must be ${low / scale} to ${high / scale} ${word}`;
  }
  return REASONS[reason] ?? refused.replaceAll("_", " ");
}

export function timeText(us) {
  const s = Math.floor(us / 1e6);
  const two = (value) => String(value).padStart(2, "0");
  return `${Math.floor(us / DAY_US)} d ${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
