// The page: what the server tells is shown, what is pressed is asked for. It decides nothing of its own.
import { Charts } from "./charts.js";
import { by, count, list, make, put } from "./dom.js";
import { showDrawing } from "./drawing.js";
import { Forms } from "./forms.js";
import { Line } from "./line.js";
import { hear, toggleSound } from "./sound.js";

const SPEEDS = ["as real", "10 times real", "a minute a second", "10 min a second", "an hour a second", "6 h a second", "a day a second", "as fast as it goes"];
const state = {}; // what the server told last, by its parts
const charts = new Charts();
const line = new Line({ news: take, lost: showLine });
const forms = new Forms(ask);
const busy = new Set();

// -- what is asked for

async function ask(what, values, button) {
  if (button && busy.has(button)) return { ok: false, error: "it is being done", hint: "" };
  setBusy(button, true);
  const answer = await line.ask(what, values);
  setBusy(button, false);
  const words = answer.ok ? answer.said : `Nothing was done: ${answer.error}${answer.hint ? `. ${answer.hint}` : ""}`;
  if (words !== undefined && (words || !answer.ok)) put(by("said"), words);
  if (answer.reload) line.end("This page is of another version of thecal. Reload it.");
  return answer;
}

// A button that is at work keeps the keyboard's focus, which a disabled one would lose; pressed again it does nothing.
function setBusy(button, on) {
  if (!button) return;
  button.setAttribute("aria-busy", String(on));
  if (on) busy.add(button);
  else busy.delete(button);
}

const press = (id, what, values = () => ({})) => by(id).addEventListener("click", () => ask(what, values(), by(id)));
by("go").addEventListener("click", () => ask(state.clock?.running ? "pause" : "go", {}));
press("next", "next");
press("press", "press");
press("power", "power", () => ({ on: state.power === false }));
press("end-pump", "end_pump");
press("take-over", "take_over");
by("speed").addEventListener("input", () => showSpeed(Number(by("speed").value)));
by("speed").addEventListener("change", () => ask("speed", { index: Number(by("speed").value) }));
by("sound").addEventListener("click", () => {
  const on = toggleSound();
  by("sound").setAttribute("aria-pressed", String(on));
  put(by("sound"), on ? "Stop hearing the alarms" : "Hear the alarms");
});
by("start-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = by("start-form").querySelector("button");
  const chosen = [...by("files").files];
  put(by("start-problem"), "");
  const files = await Promise.all(chosen.map(async (file) => ({ name: file.name, base64: await base64(file) })));
  const values = { example: by("example").value, files, start: by("start-at").value.trim(), seed: by("seed").value.trim() };
  const answer = await ask("start", values, button);
  if (answer.ok) by("time-title").scrollIntoView({ block: "nearest" });
  else put(by("start-problem"), `No pump was started: ${answer.error}${answer.hint ? `. ${answer.hint}` : ""}`);
});

function base64(file) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => resolve("!"); // which the server refuses in words
    reader.readAsDataURL(file);
  });
}

// -- what is shown

function take(news) {
  Object.assign(state, news);
  if ("run" in news) showRun(news.run);
  if (news.rows_anew) charts.anew(news.rows_anew);
  if (news.rows_more) charts.more(news.rows_more);
  if (news.clock || "next" in news) showClock(state.clock);
  if (news.at) put(by("clock"), news.at.text);
  if (news.local) put(by("local"), `${news.local}, the pump's own`);
  if (news.drawing) {
    showDrawing(news.drawing, (state.run?.drugs ?? []).join(" and "));
    hear(news.drawing);
  }
  if (news.alarms) showAlarms(news.alarms);
  if (news.windows) showWindows(news.windows);
  if (news.beside) showBeside(news.beside);
  if (news.rows) showRows(news.rows);
  if (news.log) showLog(news.log);
  if (news.stands) showStands(news.stands);
  if (news.record) {
    put(by("record-count"), news.record.count === 1 ? "1 event" : `${news.record.count} events`);
    put(by("record"), news.record.lines.join("\n"));
  }
  if (news.said) put(by("said"), news.said);
  showState();
  enable();
}

function showRun(run) {
  by("bench").hidden = !run;
  by("begin").open = !run;
  put(by("begin-title"), run ? "Start another pump" : "Start a pump");
  put(by("who"), run ? `${run.therapy}, on ${run.serial}` : "the bench of an emulated pump");
  document.title = run ? `${run.therapy} – thecal` : "thecal: the bench of an emulated pump";
  if (!run) return;
  charts.build(run.columns);
  forms.setTherapies(run.therapies);
}

function showState() {
  const badge = by("state");
  const words = state.ended ? "ended" : state.power === false ? "no power" : state.hangs ? "hangs" : (state.state ?? "").replaceAll("_", " ");
  put(badge, words);
  badge.className = `badge ${words === "infusing" ? "good" : "bad"}`;
  by("off-sign").toggleAttribute("hidden", state.power !== false);
  by("power").setAttribute("aria-pressed", String(state.power === false));
  put(by("power"), state.power === false ? "Give the power back" : "Cut the power");
  showBanner();
}

function showClock(clock) {
  put(by("go-text"), clock.running ? "Pause" : "Let time pass");
  put(by("go-sign"), clock.running ? "‖" : "▶");
  const pace = clock.running && clock.pace ? `now ${count(clock.pace)} times as fast as real` : "";
  put(by("pace"), [pace, state.next ?? ""].filter(Boolean).join("; "));
  if (document.activeElement !== by("speed")) {
    by("speed").value = clock.speed;
    showSpeed(clock.speed);
  }
}

function showSpeed(index) {
  put(by("speed-text"), SPEEDS[index]);
  by("speed").setAttribute("aria-valuetext", SPEEDS[index]);
}

function showAlarms(alarms) {
  list(by("alarms"), alarms.length ? alarms : [{ none: true }], (alarm) => alarm.name ? `${alarm.name} ${alarm.critical} ${alarm.live} ${alarm.cause}` : "none", (alarm) => {
    if (alarm.none) return make("p", { cls: "help", text: "No alarm stands." });
    const kind = alarm.critical ? "critical alarm" : "alarm";
    return make("div", { cls: alarm.critical ? "alarm critical" : "alarm" },
      make("strong", { text: `${alarm.critical ? "‼" : "!"} ${alarm.name}: ${kind}${alarm.live ? "" : ", its condition has passed"}` }),
      make("span", { text: `${alarm.cause}. ${alarm.do}` }));
  });
}

function showWindows(windows) {
  list(by("windows"), windows, (window) => `${window.drug} ${window.hours}`, (window) => {
    const name = `${window.drug}, any ${window.hours} h`;
    return make("li", { cls: "window" }, make("span"), make("meter", { min: 0, max: 100, high: 90, optimum: 0, "aria-label": name }));
  });
  windows.forEach((window, at) => {
    const [words, meter] = by("windows").children[at].children;
    const share = window.share === null ? "" : ` (${window.share} %)`;
    put(words, `${window.drug}, any ${window.hours} h: ${window.given} of ${window.limit}${share}`);
    meter.value = Math.min(100, window.share ?? 0);
    meter.hidden = window.share === null;
  });
}

function cells(body, rows, mark) {
  while (body.children.length > rows.length) body.lastChild.remove();
  while (body.children.length < rows.length) body.append(make("tr"));
  rows.forEach((row, at) => {
    const line = body.children[at];
    while (line.children.length < row.length) line.append(make(line.children.length || !mark ? "td" : "th", mark && !line.children.length ? { scope: "row" } : {}));
    row.forEach((text, column) => put(line.children[column], text));
    if (mark) line.classList.toggle("differs", mark(row));
  });
}

const showBeside = (rows) => cells(by("beside"), rows, (row) => Boolean(row[3]) && row[3] !== "the same");
const showLog = (rows) => cells(by("log"), rows);

function showRows(rows) {
  const place = by("rows");
  const names = rows.map(([name]) => name);
  if ([...place.querySelectorAll("dt")].map((name) => name.textContent).join("\n") !== names.join("\n")) {
    place.replaceChildren(...rows.flatMap(([name]) => [make("dt", { text: name }), make("dd")]));
  }
  const values = place.querySelectorAll("dd");
  rows.forEach(([, text], at) => put(values[at], text));
}

function showStands(stands) {
  list(by("stands"), stands.length ? stands : [{ number: 0 }], (one) => one.number, (one) => {
    if (!one.number) return make("li", { cls: "none", text: "nothing" });
    const button = make("button", { type: "button", text: "End it", "aria-label": `End the ${one.name}`, "data-acts": true });
    button.addEventListener("click", () => ask("end", { number: one.number }, button));
    return make("li", {}, make("span", { text: `${one.name}, since ${one.since}` }), button);
  });
}

// -- the line, and who may act

function showLine(lost, over) {
  const badge = by("line");
  put(badge, lost ? (over ? "ended" : "line lost") : "connected");
  badge.className = `badge ${lost ? "bad" : "good"}`;
  showBanner();
  enable();
}

function showBanner() {
  const words = line?.over || (line?.lost ? "The line to thecal is lost. What you see is old, and nothing is sent until it is back." : state.ended
    || (state.acts === false ? "Another page acts on this pump; this one shows what happens." : ""));
  put(by("banner"), words ?? "");
  by("banner").hidden = !words;
}

function enable() {
  const may = !line.lost && state.acts !== false;
  by("take-over").hidden = line.lost || state.acts !== false;
  const live = may && Boolean(state.run) && !state.ended;
  for (const control of document.querySelectorAll("#bench button, #speed")) {
    if (control.id !== "sound") control.disabled = !live;
  }
  by("end-pump").disabled = !may || !state.run;
  by("start-form").querySelector("button").disabled = !may;
}

const about = await (await fetch("about.json")).json();
by("example").replaceChildren(
  ...about.examples.map((name) => make("option", { value: name, text: name.replace(/\.toml$/, "").replaceAll("-", " ") })),
  make("option", { value: "", text: "the one in my files" }));
by("files").addEventListener("change", () => {
  by("example").value = by("files").files.length ? "" : about.examples[0];
});
forms.build(about.forms);
