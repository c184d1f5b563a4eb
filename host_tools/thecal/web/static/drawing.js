// The pump as it physically is, true to the step: level, motor, what stands in the catheter, light and sound.
import { by, count, draw, list, make, put } from "./dom.js";

const TOP = 62, HEIGHT = 104, KINDS = 4, TUBE = by("tube-wall").getAttribute("d");
const WORDS_MS = 2000;
let toldAt = 0;

export function showDrawing(now, names) {
  const height = HEIGHT * now.level;
  by("fluid").setAttribute("y", (TOP + HEIGHT - height).toFixed(2));
  by("fluid").setAttribute("height", height.toFixed(2));
  by("rotor").setAttribute("transform", `rotate(${now.turn.toFixed(2)})`);
  by("drop").setAttribute("r", (2 + ((now.steps % 20) / 20) * 4).toFixed(1));
  put(by("reservoir-text"), now.reservoir);
  put(by("steps-text"), `${count(now.steps)} steps`);
  put(by("battery-text"), `battery ${now.charge}`);
  by("lamp").classList.toggle("lit", now.light);
  by("sound-sign").toggleAttribute("hidden", !now.sounds);
  by("block-down").toggleAttribute("hidden", !now.blocked.includes("downstream"));
  by("block-up").toggleAttribute("hidden", !now.blocked.includes("upstream"));
  showParts(now.parts, names);
  if (performance.now() - toldAt > WORDS_MS) {
    toldAt = performance.now();
    put(by("drawing-words"), words(now));
  }
}

export const kindOf = (number) => (number ? ((number - 1) % KINDS) + 1 : 0);

function showParts(parts, names) {
  const tube = by("tube");
  while (tube.children.length > parts.length) tube.lastChild.remove();
  while (tube.children.length < parts.length) tube.append(draw("path", { d: TUBE, pathLength: "1" }));
  parts.forEach(([number, from, to], at) => {
    const path = tube.children[at];
    path.setAttribute("class", `part f${kindOf(number)}`);
    path.setAttribute("stroke-dasharray", `${Math.max(0, to - from)} 2`);
    path.setAttribute("stroke-dashoffset", String(-from));
  });
  list(by("fillings"), parts, ([number]) => number, ([number]) =>
    make("li", {}, make("span", { cls: `swatch f${kindOf(number)}` }), make("span")));
  parts.forEach(([number, from, to], at) => {
    const share = `${Math.round((to - from) * 100)} % of the way`;
    put(by("fillings").children[at].lastChild, number ? `filling ${number} (${names}): ${share}` : `no drug yet: ${share}`);
  });
}

function words(now) {
  const sound = now.sounds ? "The buzzer sounds." : "No sound.";
  const blocked = now.blocked.length ? `Blocked: ${now.blocked.join(" and ")}.` : "";
  return `The reservoir holds ${now.reservoir}. The motor has made ${count(now.steps)} steps and is ${now.enabled ? "enabled" : "cut off"}. ${sound} ${blocked}`;
}
