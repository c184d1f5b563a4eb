// A plot over time: at most two lines in an SVG, drawn from numbers alone.

const SPACE = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, BOTTOM, TOP] = [180, 64, 24, 12];

function element(name, attributes, text = "") {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** `lines`: lists of values at `days`; the second is dashed. `says`: the plot in words. */
export function plot(svg, days, lines, says) {
  const width = svg.clientWidth || 640; // drawn in the page's own pixels: its text stays readable when it is narrow
  const most = Math.max(1e-9, ...lines.flat());
  const last = Math.max(1e-9, days.at(-1) ?? 0);
  const x = (day) => LEFT + ((width - LEFT - 8) * day) / last;
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * value) / most;
  const paths = lines.map((values, index) =>
    element("path", {
      class: index ? "second" : "first",
      d: values.map((value, i) => `${i ? "L" : "M"}${x(days[i]).toFixed(1)} ${y(value).toFixed(1)}`).join(""),
    }),
  );
  const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.setAttribute("aria-label", says);
  svg.replaceChildren(
    element("text", { x: 4, y: TOP + 6 }, short(most)),
    element("text", { x: 4, y: HEIGHT - BOTTOM }, "0"),
    element("text", { x: LEFT, y: HEIGHT - 6 }, "0"),
    element("text", { x: width - 8, y: HEIGHT - 6, "text-anchor": "end" }, `${short(last)} days`),
    ...paths,
  );
}
