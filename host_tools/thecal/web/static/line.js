// The line to the server: news come by a stream, what is asked for goes as one request with a number of its own.
// Without news for a second and a half the line counts as lost: that is shown, and nothing is sent.
const version = document.querySelector("meta[name=thecal-version]").content;
const LOST_MS = 1500;
const AGAIN_MS = 4000;
const ANSWER_MS = 20000;

function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function ownName() {
  // A page that is reloaded is the same one; a second one in another tab is another.
  let name = sessionStorage.getItem("thecal-page");
  const copied = performance.getEntriesByType("navigation")[0]?.type === "navigate";
  if (!name || copied) {
    name = fresh();
    sessionStorage.setItem("thecal-page", name);
  }
  return name;
}

export class Line {
  constructor({ news, lost }) {
    this.page = ownName();
    this.news = news;
    this.tellLost = lost;
    this.lost = true;
    this.over = "";
    this.heard = performance.now();
    this.waiting = [];
    this.open();
    setInterval(() => this.look(), 200);
  }

  open() {
    this.stream?.close();
    const stream = (this.stream = new EventSource(`news?page=${this.page}&version=${encodeURIComponent(version)}`));
    this.opened = performance.now();
    stream.onmessage = (message) => {
      if (stream !== this.stream) return;
      this.heard = performance.now();
      const news = JSON.parse(message.data);
      if (news.reload) return this.end("This page is of another version of thecal. Reload it.");
      if (news.over) return this.end("thecal web has ended. Start it again, and open the address that it prints.");
      this.setLost(false);
      this.news(news);
    };
    stream.onerror = () => {
      if (stream !== this.stream) return;
      this.setLost(true);
      if (stream.readyState === EventSource.CLOSED) this.why();
    };
  }

  async why() {
    // The stream was refused, and not only broken: ask once for a reason.
    try {
      const answer = await fetch("about.json", { cache: "no-store" });
      if (answer.status === 403) this.end("This page belongs to a thecal web that has ended. Open the address that the new one printed.");
      else setTimeout(() => this.over || this.open(), 500);
    } catch {
      setTimeout(() => this.over || this.open(), 500);
    }
  }

  end(words) {
    this.over = words;
    this.stream.close();
    this.setLost(true);
  }

  look() {
    if (this.over) return;
    const silent = performance.now() - this.heard;
    if (silent > LOST_MS) this.setLost(true);
    if (silent > AGAIN_MS && performance.now() - this.opened > AGAIN_MS) this.open();
  }

  setLost(lost) {
    if (lost === this.lost && !this.over) return;
    this.lost = lost;
    this.tellLost(lost, this.over);
    if (!lost) for (const go of this.waiting.splice(0)) go();
  }

  backWithin(ms) {
    return new Promise((resolve) => {
      if (!this.lost) return resolve(true);
      this.waiting.push(() => resolve(true));
      setTimeout(() => resolve(false), ms);
    });
  }

  // The server does what has one number once, however often it hears of it: so what got no answer is asked again.
  async ask(what, values = {}) {
    if (this.lost) return { ok: false, error: "the line to thecal is lost: nothing was sent", hint: "" };
    const body = JSON.stringify({ ...values, do: what, page: this.page, version, id: fresh() });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        const answer = await fetch("act", {
          method: "POST", body, headers: { "Content-Type": "application/json" }, signal: AbortSignal.timeout(ANSWER_MS),
        });
        if (answer.ok) return await answer.json();
        return { ok: false, error: await answer.text(), hint: "" };
      } catch {
        this.setLost(true);
        if (!(await this.backWithin(10000))) break;
      }
    }
    return { ok: false, error: "no answer came: whether it was done is not known", hint: "look at the pump, then do it again or not" };
  }
}
