// What can be done and injected: a form for each kind of event, built of what the models of an events file say.
import { by, make } from "./dom.js";

const TITLES = { do: "Give a command", inject: "Inject a fault or a condition" };

export class Forms {
  constructor(ask) {
    this.ask = ask;
    this.therapies = [];
    by("what").addEventListener("change", () => this.show());
    by("event-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  build(forms) {
    this.forms = forms;
    const groups = Object.keys(TITLES).map((kind) => make("optgroup", { label: TITLES[kind] },
      ...forms.map((form, at) => [form, at]).filter(([form]) => form.kind === kind)
        .map(([form, at]) => make("option", { value: at, text: form.title }))));
    by("what").replaceChildren(...groups);
    this.show();
  }

  setTherapies(names) {
    this.therapies = names;
    this.show();
  }

  show() {
    const form = this.forms?.[Number(by("what").value)];
    if (!form) return;
    by("does").textContent = form.does;
    by("event-problem").textContent = "";
    by("fields").replaceChildren(...form.fields.map((field) => this.field(field)));
  }

  field(field) {
    const id = `field-${field.key}`, help = `${id}-help`;
    const words = [field.bounds, field.key === "for" ? "left empty: until you end it" : "", field.needed || field.default ? "" : "may be left empty"]
      .filter((text, at) => text && !(at === 2 && field.key === "for")).join("; ");
    const label = make("label", { for: id, text: field.title });
    if (field.flag) return make("div", { cls: "field check" }, make("input", { type: "checkbox", id, name: field.key }), label);
    const known = field.file ? ["", ...this.therapies] : field.known;
    const input = known.length
      ? make("select", { id, name: field.key }, ...known.map((text) => make("option", { value: text, text: text || "none", selected: text === field.default })))
      : make("input", { type: "text", id, name: field.key, placeholder: field.example, autocomplete: "off", required: field.needed });
    if (words) input.setAttribute("aria-describedby", help);
    return make("div", { cls: "field" }, label, input, ...(words ? [make("span", { id: help, cls: "help", text: words })] : []));
  }

  async send() {
    const form = this.forms[Number(by("what").value)];
    const values = {};
    for (const input of by("fields").querySelectorAll("input, select")) {
      input.removeAttribute("aria-invalid");
      values[input.name] = input.type === "checkbox" ? input.checked : input.value.trim();
    }
    by("event-problem").textContent = "";
    const answer = await this.ask("event", { kind: form.kind, name: form.name, values }, by("event-form").querySelector("button"));
    if (answer.ok) return;
    by("event-problem").textContent = `Nothing was done: ${answer.error}${answer.hint ? `. ${answer.hint}` : ""}`;
    const wrong = Object.keys(answer.fields ?? {}).map((key) => by(`field-${key}`)).filter(Boolean);
    for (const input of wrong) input.setAttribute("aria-invalid", "true");
    wrong[0]?.focus();
  }
}
