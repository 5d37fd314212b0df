// src/dom.ts
function find(root, selector) {
  const e = root.querySelector(selector);
  if (!e) throw new Error(`the page has no ${selector}`);
  return e;
}
function stamp(id) {
  const template = find(document, `template#${id}`);
  const copy = template.content.firstElementChild?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new Error(`template ${id} is empty`);
  return copy;
}
function make(tag, className, text2 = "") {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text2;
  return e;
}
function setText(e, text2) {
  if (e.textContent !== text2) e.textContent = text2;
}
var Repaint = class {
  constructor(paint) {
    this.paint = paint;
  }
  paint;
  #asked = false;
  ask() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.paint();
    });
  }
};

// src/latency.ts
var Latencies = class {
  constructor(limit = 60) {
    this.limit = limit;
  }
  limit;
  #samples = [];
  add(ms) {
    this.#samples.push(Math.max(0, ms));
    if (this.#samples.length > this.limit) this.#samples.shift();
  }
  get samples() {
    return this.#samples;
  }
  get last() {
    return this.#samples.at(-1);
  }
  get median() {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)];
  }
  get max() {
    return this.#samples.length === 0 ? void 0 : Math.max(...this.#samples);
  }
};

// src/position.ts
var Cursor = class {
  #position;
  constructor(start) {
    this.#position = start;
  }
  /** What `since=` gets on the next connection. */
  get position() {
    return this.#position;
  }
  /** Everything up to this position has arrived. An empty one (EventSource before its first id) says nothing. */
  reached(position) {
    if (position !== "") this.#position = position;
  }
};
var Recent = class {
  constructor(start, limit = 1e4) {
    this.limit = limit;
    this.#before = start;
  }
  limit;
  #ids = /* @__PURE__ */ new Set();
  #before;
  /** Where a second reading starts. */
  get before() {
    return this.#before;
  }
  has(id) {
    return this.#ids.has(id);
  }
  add(id) {
    this.#ids.add(id);
    if (this.#ids.size <= this.limit) return;
    const [oldest] = this.#ids;
    if (oldest !== void 0) {
      this.#ids.delete(oldest);
      this.#before = oldest;
    }
  }
};

// src/sequence.ts
var header = "console-seq";
var maxRuns = 50;
var maxMissing = 1e4;
function parseSeq(value) {
  const m = /^([A-Za-z0-9_-]{1,40})\.([1-9]\d{0,14})$/.exec(value ?? "");
  return m ? { run: m[1] ?? "", n: Number(m[2]) } : void 0;
}
var SequenceCheck = class {
  tally = { lost: 0, duplicated: 0, reordered: 0, missed: 0 };
  #runs = /* @__PURE__ */ new Map();
  /** @param own the run whose first message this pane is sure to be there for: it has to begin with 1. */
  constructor(own) {
    if (own !== void 0) this.#runs.set(own, { next: 1, missing: /* @__PURE__ */ new Set(), gapTold: false });
  }
  message(seq) {
    const s = parseSeq(seq);
    if (!s) return;
    const run = this.#run(s.run, s.n);
    if (s.n >= run.next) this.#forward(run, s.n);
    else if (run.missing.delete(s.n)) {
      this.tally.lost--;
      this.tally.reordered++;
    } else this.tally.duplicated++;
  }
  /** The server told a gap: the next hole of each run is a known one. */
  gap() {
    for (const run of this.#runs.values()) run.gapTold = true;
  }
  /** How many of the first n messages of a run have not come, lost ones included. */
  toCome(run, n) {
    const r = this.#runs.get(run);
    return r ? Math.max(0, n + 1 - r.next) + r.missing.size : 0;
  }
  #run(id, first) {
    let run = this.#runs.get(id);
    if (!run) {
      run = { next: first, missing: /* @__PURE__ */ new Set(), gapTold: false };
      this.#runs.set(id, run);
      this.#forgetOldest();
    }
    return run;
  }
  #forward(run, n) {
    const hole = n - run.next;
    if (hole > 0 && run.gapTold) this.tally.missed += hole;
    else if (hole > 0) {
      this.tally.lost += hole;
      for (let i = run.next; i < n && run.missing.size < maxMissing; i++) run.missing.add(i);
    }
    run.gapTold = false;
    run.next = n + 1;
  }
  #forgetOldest() {
    if (this.#runs.size <= maxRuns) return;
    const second = [...this.#runs.keys()][1];
    if (second !== void 0) this.#runs.delete(second);
  }
};

// src/text.ts
function showMs(ms) {
  if (ms === void 0) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1e3) return `${Math.round(ms)} ms`;
  return showSeconds(ms);
}
function showSeconds(ms) {
  if (ms < 6e4) return `${(ms / 1e3).toFixed(1)} s`;
  return `${Math.floor(ms / 6e4)} min ${Math.floor(ms % 6e4 / 1e3)} s`;
}
function showBytes(n) {
  if (n < 1e3) return `${n} B`;
  if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}
function showCount(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
var previewLimit = 300;
function preview(m) {
  let s;
  if (m.data_base64 !== void 0) s = `${bytesOfBase64(m.data_base64)} bytes: ${m.data_base64.slice(0, 40)}`;
  else if (typeof m.data === "string") s = m.data;
  else s = JSON.stringify(m.data) ?? "";
  return s.length > previewLimit ? `${s.slice(0, previewLimit)}…` : s;
}
function bytesOfBase64(s) {
  return s.length * 3 / 4 - (/=*$/.exec(s)?.[0].length ?? 0);
}
var encoder = new TextEncoder();
function byteLength(s) {
  return encoder.encode(s).length;
}

// src/wire.ts
var Problem = class extends Error {
  constructor(status, code, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.name = "Problem";
  }
  status;
  code;
  retryAfter;
  /** Whether the same request can succeed later. */
  get worthRetrying() {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
};
function fields(v, what) {
  if (typeof v !== "object" || v === null || Array.isArray(v)) throw new TypeError(`${what} is not an object`);
  return v;
}
function text(v, what) {
  if (typeof v !== "string" || v === "") throw new TypeError(`${what} is not a string`);
  return v;
}
function toMessage(v) {
  const m = fields(v, "message");
  text(m["id"], "message.id");
  text(m["channel"], "message.channel");
  text(m["time"], "message.time");
  return m;
}
function toGap(v) {
  const g = fields(v, "gap");
  return {
    channel: text(g["channel"], "gap.channel"),
    from: String(g["from"] ?? ""),
    to: String(g["to"] ?? ""),
    possible: g["possible"] === true
  };
}
function decodePage(body) {
  const p = fields(JSON.parse(body), "page");
  if (!Array.isArray(p["messages"])) throw new TypeError("page.messages is not a list");
  const gaps = Array.isArray(p["gaps"]) ? p["gaps"] : p["gap"] === void 0 ? [] : [p["gap"]];
  return {
    messages: p["messages"].map(toMessage),
    position: text(p["position"], "page.position"),
    more: p["more"] === true,
    gaps: gaps.map(toGap)
  };
}
function decodeFrame(body) {
  const f = fields(JSON.parse(body), "frame");
  if ("gap" in f) return { kind: "gap", gap: toGap(f["gap"]) };
  if ("position" in f) return { kind: "position", position: text(f["position"], "frame.position") };
  if ("reconnect" in f) {
    const after = fields(f["reconnect"], "frame.reconnect")["after"];
    return { kind: "reconnect", after: parseDuration(text(after, "reconnect.after")) };
  }
  if ("id" in f) return { kind: "message", message: toMessage(f) };
  return { kind: "other" };
}
function decodeEvent(data) {
  return toMessage(JSON.parse(data));
}
function decodeGapEvent(data) {
  return toGap(fields(JSON.parse(data), "gap event")["gap"]);
}
function decodeProblem(status, body, retryAfter) {
  let p = {};
  try {
    p = fields(JSON.parse(body), "problem");
  } catch {
  }
  const detail = typeof p["detail"] === "string" ? p["detail"] : `the server answered ${status}`;
  const code = typeof p["code"] === "string" ? p["code"] : "";
  const seconds = Number(retryAfter ?? "");
  return retryAfter !== null && Number.isFinite(seconds) ? new Problem(status, code, detail, seconds * 1e3) : new Problem(status, code, detail);
}
var units = { h: 36e5, m: 6e4, s: 1e3, ms: 1, us: 1e-3, "µs": 1e-3, ns: 1e-6 };
function parseDuration(s) {
  let total = 0;
  let rest = s;
  while (rest !== "") {
    const m = /^(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/.exec(rest);
    if (!m) throw new TypeError(`${s} is not a duration`);
    total += Number(m[1]) * (units[m[2] ?? ""] ?? 0);
    rest = rest.slice(m[0].length);
  }
  return total;
}
function parseTime(s) {
  const m = /^([^.]+)(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.exec(s);
  const whole = m ? Date.parse(`${m[1]}${m[3]}`) : NaN;
  return m?.[2] ? whole + Number(`0${m[2]}`) * 1e3 : whole;
}

// src/pane.ts
var maxEntries = 100;
var Pane = class {
  constructor(channel, start, transport, shared, changed) {
    this.channel = channel;
    this.transport = transport;
    this.shared = shared;
    this.changed = changed;
    this.#cursor = new Cursor(start);
    this.check = new SequenceCheck(shared.publisher.run);
  }
  channel;
  transport;
  shared;
  changed;
  state = "connecting";
  /** Why the link is not live, for people. */
  reason = "";
  bytes = 0;
  messages = 0;
  gaps = 0;
  /** Newest last. */
  entries = [];
  fromClick;
  latencies = new Latencies();
  check;
  /** The last resume, while and after it catches up. */
  resumed;
  #cursor;
  #close;
  #numbers = 0;
  /** Since when the link is away, on performance.now's clock. */
  #awaySince;
  /** The server's time at the resume: what was published before it is being caught up. */
  #catchingUpTo;
  get position() {
    return this.#cursor.position;
  }
  /** Messages published here that have not come yet. */
  get toCome() {
    return this.check.toCome(this.shared.publisher.run, this.shared.publisher.acknowledged);
  }
  open() {
    this.#close ??= this.transport(this);
    this.changed();
  }
  /** Ends the pane for good. */
  end() {
    this.#close?.();
    this.#close = void 0;
  }
  cut() {
    this.end();
    this.#away("cut", "");
  }
  resume() {
    this.state = "reconnecting";
    this.reason = "";
    this.open();
  }
  /** A message that was kept when the page opened. */
  earlier(m) {
    this.#entry({ kind: "message", number: ++this.#numbers, message: m, how: "earlier" });
  }
  since() {
    return this.#cursor.position;
  }
  live() {
    if (this.state === "live") return;
    this.state = "live";
    this.reason = "";
    if (this.#awaySince !== void 0) {
      const away = performance.now() - this.#awaySince;
      this.#awaySince = void 0;
      this.#catchingUpTo = this.#serverNow();
      this.resumed = { kind: "resumed", number: ++this.#numbers, away, caughtUp: 0 };
      this.#entry(this.resumed);
    }
    this.changed();
  }
  message(m) {
    const published = parseTime(m.time);
    if (this.#catchingUpTo !== void 0 && published > this.#catchingUpTo) this.#catchingUpTo = void 0;
    const caughtUp = this.#catchingUpTo !== void 0;
    if (caughtUp && this.resumed) this.resumed.caughtUp++;
    const latency = this.#serverNow() - published;
    if (!caughtUp) {
      this.latencies.add(latency);
      const clicked = this.shared.publisher.clickedAt(m.headers?.[header]);
      if (clicked !== void 0) this.fromClick = performance.now() - clicked;
    }
    this.#take(m, caughtUp ? "caught up" : "live", latency);
  }
  lateMessage(m) {
    this.#take(m, "late", this.#serverNow() - parseTime(m.time));
  }
  gap(g) {
    this.gaps++;
    this.check.gap();
    this.#entry({ kind: "gap", number: ++this.#numbers, gap: g });
  }
  reached(position) {
    this.#cursor.reached(position);
    this.changed();
  }
  received(bytes) {
    this.bytes += bytes;
    this.changed();
  }
  broken(why, retryIn) {
    this.#away("reconnecting", retryIn === void 0 ? why : `${why}, again in ${showSeconds(retryIn)}`);
  }
  refused(why) {
    this.end();
    this.#away("stopped", why);
  }
  #away(state, reason3) {
    this.#awaySince ??= performance.now();
    this.#catchingUpTo = void 0;
    this.state = state;
    this.reason = reason3;
    this.changed();
  }
  #take(m, how, latency) {
    this.messages++;
    this.check.message(m.headers?.[header]);
    this.shared.names.learn(m.event, true);
    this.#entry({ kind: "message", number: ++this.#numbers, message: m, how, latency });
  }
  #entry(e) {
    this.entries.push(e);
    if (this.entries.length > maxEntries) this.entries.shift();
    this.changed();
  }
  #serverNow() {
    return this.shared.server.toServer(this.shared.wall.now());
  }
};

// src/entries.ts
var EntryList = class {
  #list;
  #empty;
  #shown = 0;
  // the number of the newest entry shown
  constructor(root) {
    this.#list = find(root, ".messages");
    this.#empty = find(root, ".empty");
  }
  show(pane) {
    const fresh = pane.entries.filter((e) => e.number > this.#shown);
    for (const e of fresh) this.#list.prepend(render(e));
    this.#shown = fresh.at(-1)?.number ?? this.#shown;
    while (this.#list.childElementCount > maxEntries) this.#list.lastElementChild?.remove();
    if (pane.resumed) this.#update(pane.resumed);
    this.#empty.hidden = this.#list.childElementCount > 0;
  }
  clear() {
    this.#list.replaceChildren();
    this.#shown = 0;
  }
  #update(e) {
    const line = this.#list.querySelector(`[data-number="${e.number}"]`);
    const words2 = resumed(e);
    if (line && line.textContent !== words2) line.textContent = words2;
  }
};
function render(e) {
  const li = e.kind === "message" ? message(e) : make("li", e.kind, e.kind === "gap" ? gap(e) : resumed(e));
  li.dataset["number"] = String(e.number);
  return li;
}
function message(e) {
  const m = e.message;
  const li = make("li", `message ${e.how.replace(" ", "-")}`);
  li.dataset["id"] = m.id;
  li.title = m.id;
  li.append(make("span", "data", preview(m)));
  if (m.event !== void 0) li.append(make("span", "tag", m.event));
  if (m.key !== void 0) li.append(make("span", "tag key", m.key));
  li.append(make("span", "when", e.how === "live" ? showMs(e.latency) : e.how));
  return li;
}
function resumed(e) {
  return `resumed after ${showSeconds(e.away)} · caught up: ${e.caughtUp}`;
}
function gap({ gap: g }) {
  const what = g.possible ? "Gap: messages may be missing" : "Gap: messages are no longer kept";
  return `${what}, ${g.from} to ${g.to}`;
}
function caughtUpSentence(title, n) {
  return n === 0 ? `${title} resumed, nothing was missed` : `${title} resumed, caught up with ${showCount(n, "message")}`;
}

// src/announce.ts
var Announcer = class {
  constructor(region) {
    this.region = region;
  }
  region;
  #states = /* @__PURE__ */ new Map();
  #pending = /* @__PURE__ */ new Map();
  #timer;
  look(title, pane) {
    const before = this.#states.get(title);
    if (pane.state !== before) {
      this.#states.set(title, pane.state);
      if (before === void 0 || pane.state === "connecting") return;
      if (pane.state !== "live" || before === "connecting") return this.#say(title, `${title}: ${pane.state}`);
    }
    if (pane.state === "live" && this.#pending.has(title) && pane.resumed) {
      this.#pending.set(title, caughtUpSentence(title, pane.resumed.caughtUp));
    } else if (pane.state === "live" && before !== "live" && pane.resumed) {
      this.#say(title, caughtUpSentence(title, pane.resumed.caughtUp));
    }
  }
  #say(title, sentence) {
    this.#pending.set(title, sentence);
    this.#timer ??= setTimeout(() => {
      this.region.textContent = [...this.#pending.values()].join(". ");
      this.#pending.clear();
      this.#timer = void 0;
    }, 700);
  }
};

// src/backoff.ts
var Backoff = class {
  constructor(first = 500, most = 1e4, random = Math.random) {
    this.first = first;
    this.most = most;
    this.random = random;
  }
  first;
  most;
  random;
  #failures = 0;
  /** Milliseconds to wait now. What the server asked for is waited in full, and it has spread that already. */
  next(asked) {
    const bound = Math.min(this.most, this.first * 2 ** this.#failures);
    this.#failures++;
    return asked ?? this.random() * bound;
  }
  succeeded() {
    this.#failures = 0;
  }
};
function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

// src/clock.ts
var WallClock = class {
  #base = Date.now() - performance.now();
  now() {
    const fine = this.#base + performance.now();
    const coarse = Date.now();
    if (Math.abs(fine - coarse) <= 20) return fine;
    this.#base = coarse - performance.now();
    return coarse;
  }
};
var ServerClock = class {
  #offset = 0;
  #roundTrip = Infinity;
  answered(sent, received, serverTime) {
    const roundTrip = received - sent;
    if (!Number.isFinite(serverTime) || roundTrip < 0 || roundTrip > this.#roundTrip) return;
    this.#roundTrip = roundTrip;
    const offset = serverTime - (sent + received) / 2;
    this.#offset = Math.abs(offset) <= roundTrip ? 0 : offset;
  }
  /** A moment of our clock, on the server's. */
  toServer(local) {
    return local + this.#offset;
  }
};

// src/transport.ts
function messagesURL(channel, params) {
  return `/v1/channels/${encodeURIComponent(channel)}/messages?${new URLSearchParams(params)}`;
}

// src/page.ts
async function readPage(ask) {
  const headers = { Accept: "application/json" };
  if (ask.etag !== void 0) headers["If-None-Match"] = ask.etag;
  const response = await fetch(messagesURL(ask.channel, ask.params), { headers, signal: ask.signal });
  if (response.status === 304) return { bytes: 0 };
  const bytes = await response.arrayBuffer();
  const body = new TextDecoder().decode(bytes);
  if (!response.ok) throw decodeProblem(response.status, body, response.headers.get("Retry-After"));
  const answer = { page: decodePage(body), bytes: bytes.byteLength };
  const etag = response.headers.get("ETag");
  if (etag !== null) answer.etag = etag;
  return answer;
}

// src/pulling.ts
function pull(reader, how) {
  const stopped = new AbortController();
  void new Loop(reader, how, stopped.signal).run();
  return () => stopped.abort();
}
var Loop = class {
  constructor(reader, how, signal) {
    this.reader = reader;
    this.how = how;
    this.signal = signal;
  }
  reader;
  how;
  signal;
  #backoff = new Backoff();
  /** The validator of the last answer, and the position it was asked for. */
  #etag;
  /** Whether the last request was answered. The one after a break does not wait: its answer shows that we are back. */
  #answered = false;
  async run() {
    while (!this.signal.aborted) {
      try {
        await this.#turn();
      } catch (err) {
        if (this.signal.aborted) return;
        if (err instanceof Problem && !err.worthRetrying) return this.reader.refused(err.message);
        await this.#broken(err);
      }
    }
  }
  async #turn() {
    const since = this.reader.since();
    const params = { since, limit: "1000" };
    const waits = this.how.wait !== void 0 && this.#answered;
    if (waits) params["wait"] = this.how.wait ?? "";
    const etag = !waits && this.#etag?.since === since ? this.#etag.value : void 0;
    const answer = await readPage({ channel: this.reader.channel, params, signal: this.signal, etag });
    if (this.signal.aborted) return;
    this.#backoff.succeeded();
    this.#answered = true;
    if (answer.etag !== void 0) this.#etag = { since, value: answer.etag };
    this.#handOver(answer);
    if (!answer.page?.more && this.how.rest > 0) await pause(this.how.rest, this.signal);
  }
  #handOver({ bytes, page }) {
    this.reader.live();
    this.reader.received(bytes);
    if (!page) return;
    for (const g of page.gaps) this.reader.gap(g);
    for (const m of page.messages) this.reader.message(m);
    this.reader.reached(page.position);
  }
  async #broken(err) {
    this.#answered = false;
    const known = err instanceof Problem;
    const wait = this.#backoff.next(known ? err.retryAfter : void 0);
    this.reader.broken(known ? err.message : "out of reach", wait);
    await pause(wait, this.signal);
  }
};

// src/longpolling.ts
var longPolling = (reader) => pull(reader, { wait: "25s", rest: 0 });

// src/names.ts
var EventNames = class {
  constructor(limit = 200) {
    this.limit = limit;
  }
  limit;
  #known = /* @__PURE__ */ new Set();
  #listener;
  /** @param passed whether messages of that name may have passed already, or are only going to be published. */
  learn(name, passed) {
    if (name === void 0 || name === "" || this.#known.has(name) || this.#known.size >= this.limit) return;
    this.#known.add(name);
    this.#listener?.(name, passed);
  }
  [Symbol.iterator]() {
    return this.#known.values();
  }
  /** There is one EventSource, so there is one listener. */
  listen(listener) {
    this.#listener = listener;
  }
};

// src/spark.ts
var width = 240;
var height = 40;
function bars(samples, limit) {
  const top = Math.max(1, ...samples);
  const step = width / limit;
  const first = limit - samples.length;
  return samples.map((ms, i) => {
    const x = ((first + i + 0.5) * step).toFixed(1);
    const y = (height - 1 - Math.max(1.5, ms / top * (height - 4))).toFixed(1);
    return `M${x} ${height - 1}V${y}`;
  }).join("");
}
function drawSpark(svg, latencies) {
  svg.querySelector(".bars")?.setAttribute("d", bars(latencies.samples, latencies.limit));
  const n = latencies.samples.length;
  const label = n === 0 ? "Latency: no live message yet" : `Latency of the last ${n}: median ${showMs(latencies.median)}, highest ${showMs(latencies.max)}`;
  if (svg.getAttribute("aria-label") !== label) svg.setAttribute("aria-label", label);
}

// src/paneview.ts
var words = {
  connecting: "Connecting",
  live: "Live",
  cut: "Cut",
  reconnecting: "Reconnecting",
  stopped: "Stopped"
};
var PaneView = class {
  constructor(parent, id, title, how) {
    this.title = title;
    this.#root.id = id;
    this.#root.dataset["transport"] = id;
    const heading = find(this.#root, "h2");
    heading.id = `${id}-title`;
    heading.textContent = title;
    this.#root.setAttribute("aria-labelledby", heading.id);
    find(this.#root, ".how").textContent = how;
    find(this.#root, ".list").setAttribute("aria-label", `Messages over ${title}, newest first`);
    this.#button.addEventListener("click", () => this.#toggle());
    parent.append(this.#root);
  }
  title;
  #root = stamp("pane");
  #entries = new EntryList(this.#root);
  #button = find(this.#root, ".cut");
  #pane;
  /** Shows another pane from now on: the channel changed. */
  attach(pane) {
    this.#pane = pane;
    this.#entries.clear();
    this.paint();
  }
  paint() {
    const pane = this.#pane;
    if (!pane) return;
    this.#state(pane);
    this.#figures(pane);
    this.#check(pane);
    this.#entries.show(pane);
  }
  #toggle() {
    if (!this.#pane) return;
    if (isAway(this.#pane)) this.#pane.resume();
    else this.#pane.cut();
  }
  #state(pane) {
    if (this.#root.dataset["state"] !== pane.state) this.#root.dataset["state"] = pane.state;
    setText(find(this.#root, ".word"), words[pane.state]);
    setText(find(this.#root, ".reason"), pane.reason);
    find(this.#root, ".how").hidden = pane.reason !== "";
    const action = isAway(pane) ? "Resume" : "Cut";
    setText(this.#button, action);
    this.#button.setAttribute("aria-label", `${action} ${this.title}`);
  }
  #figures(pane) {
    drawSpark(find(this.#root, ".spark"), pane.latencies);
    this.#set(".scale", scale(pane));
    this.#set(".latency", showMs(pane.latencies.last));
    this.#set(".from-click", showMs(pane.fromClick));
    this.#set(".bytes", showBytes(pane.bytes));
    this.#set(".count", String(pane.messages));
    this.#set(".position", pane.position);
  }
  #check(pane) {
    const { lost, duplicated, reordered, missed } = pane.check.tally;
    this.#count(".lost", lost, "lost");
    this.#count(".duplicated", duplicated, "duplicated");
    this.#count(".reordered", reordered, "reordered");
    const gaps = pane.gaps === 0 ? "" : `${pane.gaps} ${pane.gaps === 1 ? "gap" : "gaps"} told${missed ? `, ${missed} gone` : ""}`;
    this.#set(".gaps", gaps);
    this.#set(".caught", pane.resumed ? `caught up: ${pane.resumed.caughtUp}` : "");
    this.#set(".to-come", isAway(pane) && pane.toCome > 0 ? `${pane.toCome} waiting` : "");
  }
  #count(selector, n, word) {
    const e = find(this.#root, selector);
    e.classList.toggle("bad", n > 0);
    setText(e, `${n} ${word}`);
  }
  #set(selector, text2) {
    setText(find(this.#root, selector), text2);
  }
};
function scale({ latencies }) {
  if (latencies.last === void 0) return "no live message yet";
  return `highest ${showMs(latencies.max)}, median ${showMs(latencies.median)}`;
}
function isAway(pane) {
  return pane.state === "cut" || pane.state === "stopped";
}

// src/polling.ts
var polling = (reader) => pull(reader, { rest: 1e3 });

// src/publisher.ts
var maxWaiting = 20;
var attempts = 5;
var maxClicks = 2e3;
var Publisher = class {
  constructor(channel, wall2, server2) {
    this.channel = channel;
    this.wall = wall2;
    this.server = server2;
  }
  channel;
  wall;
  server;
  /** Names the counter of this page on this channel. */
  run = newRun();
  #count = 0;
  #acknowledged = 0;
  #waiting = 0;
  #turn = Promise.resolve();
  #clicks = /* @__PURE__ */ new Map();
  /** How many messages of this run the server has acknowledged. */
  get acknowledged() {
    return this.#acknowledged;
  }
  /** When the message with this counter was sent off by a click, on performance.now's clock. */
  clickedAt(seq) {
    return this.#clicks.get(seq ?? "");
  }
  /** Publishes the drafts in one request, all or none. @throws Problem when refused; Error when the outcome is not known. */
  publish(drafts) {
    if (this.#waiting >= maxWaiting) return Promise.reject(new Error("too many publishes are waiting for the server"));
    const clicked = performance.now();
    this.#waiting++;
    const mine = this.#turn.then(() => this.#send(drafts, clicked)).finally(() => this.#waiting--);
    this.#turn = mine.catch(() => void 0);
    return mine;
  }
  async #send(drafts, clicked) {
    const first = this.#count + 1;
    const messages = drafts.map((d, i) => this.#envelope(d, `${this.run}.${first + i}`, clicked));
    this.#count += drafts.length;
    const body = JSON.stringify(messages.length === 1 ? messages[0] : { messages });
    try {
      await this.#attempt(body);
      this.#acknowledged = this.#count;
    } catch (err) {
      if (err instanceof Problem && !err.worthRetrying) {
        this.#count -= drafts.length;
      } else {
        this.run = newRun();
        this.#count = this.#acknowledged = 0;
      }
      throw err;
    }
  }
  #envelope(d, seq, clicked) {
    this.#clicks.set(seq, clicked);
    if (this.#clicks.size > maxClicks) {
      const [oldest] = this.#clicks.keys();
      if (oldest !== void 0) this.#clicks.delete(oldest);
    }
    return {
      channel: this.channel,
      data: d.text,
      ...d.event === "" ? {} : { event: d.event },
      ...d.key === "" ? {} : { key: d.key },
      headers: { [header]: seq },
      idempotency_key: seq
    };
  }
  async #attempt(body) {
    const backoff = new Backoff();
    for (let i = 1; ; i++) {
      try {
        return await this.#post(body);
      } catch (err) {
        if (err instanceof Problem && !err.worthRetrying || i === attempts) throw err;
        await pause(backoff.next(err instanceof Problem ? err.retryAfter : void 0), new AbortController().signal);
      }
    }
  }
  async #post(body) {
    const sent = this.wall.now();
    const response = await fetch("/v1/publish", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body
    });
    const received = this.wall.now();
    const text2 = await response.text();
    if (!response.ok) throw decodeProblem(response.status, text2, response.headers.get("Retry-After"));
    const answer = JSON.parse(text2);
    if (answer.time !== void 0 && answer.duplicate !== true) this.server.answered(sent, received, parseTime(answer.time));
  }
};
function newRun() {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, (b) => b.toString(36).padStart(2, "0")).join("");
}

// src/publishform.ts
var burst = 100;
var PublishForm = class {
  constructor(form2, outcome, actions) {
    this.form = form2;
    this.outcome = outcome;
    this.actions = actions;
    form2.addEventListener("submit", (e) => {
      e.preventDefault();
      void this.#publish(1);
    });
    find(form2, "#burst").addEventListener("click", () => void this.#publish(burst));
    this.#input("channel").addEventListener("change", () => void this.joinChannel().catch(() => void 0));
  }
  form;
  outcome;
  actions;
  /** Told of every draft before it is sent. */
  onDraft = () => void 0;
  #joined = "";
  #joining = Promise.resolve();
  set channel(name) {
    this.#input("channel").value = name;
  }
  /** Joins the channel in the field unless it is joined already. Failures are shown and thrown. */
  joinChannel() {
    this.#joining = this.#joining.catch(() => void 0).then(() => this.#join());
    return this.#joining;
  }
  async #join() {
    const field = this.#input("channel");
    const name = field.value.trim();
    if (name === this.#joined) return;
    try {
      await this.actions.join(name);
      this.#joined = name;
      field.removeAttribute("aria-invalid");
      this.#say("", false);
    } catch (err) {
      if (err instanceof Problem && !err.worthRetrying) field.setAttribute("aria-invalid", "true");
      this.#say(`${name || "The empty name"}: ${reason(err)}`, true);
      throw err;
    }
  }
  async #publish(n) {
    try {
      await this.joinChannel();
    } catch {
      return;
    }
    const draft = { text: this.#value("text"), event: this.#value("event"), key: this.#value("key") };
    this.onDraft(draft);
    const drafts = n === 1 ? [draft] : Array.from({ length: n }, (_, i) => ({ ...draft, text: `${draft.text} ${i + 1}` }));
    const clicked = performance.now();
    try {
      await this.actions.publish(drafts);
      this.#say(`${showCount(n, "message")} acknowledged in ${showMs(performance.now() - clicked)}`, false);
    } catch (err) {
      this.#say(`Not published: ${reason(err)}`, true);
    }
  }
  #say(words2, bad) {
    setText(this.outcome, words2);
    this.outcome.classList.toggle("bad", bad);
  }
  #value(name) {
    return this.#input(name).value;
  }
  #input(name) {
    return find(this.form, `input[name="${name}"]`);
  }
};
function reason(err) {
  if (err instanceof TypeError || err instanceof DOMException) return "the server cannot be reached";
  return err instanceof Error ? err.message : String(err);
}

// src/race.ts
var least = 0.1;
var decades = 5;
function place(ms) {
  return Math.min(1, Math.max(0.01, Math.log10(Math.max(ms, least) / least) / decades));
}
var RaceRow = class {
  constructor(parent, id, title) {
    this.id = id;
    this.title = title;
    this.#root.dataset["transport"] = id;
    const name = find(this.#root, ".name");
    name.href = `#${id}`;
    name.textContent = title;
    parent.append(this.#root);
  }
  id;
  title;
  #root = stamp("race-row");
  #fill = find(this.#root, ".fill");
  #value = find(this.#root, ".value");
  #bar = find(this.#root, ".bar");
  show(pane) {
    const last = pane.latencies.last;
    const away = pane.state === "cut" || pane.state === "stopped";
    this.#root.classList.toggle("away", away);
    this.#fill.setAttribute("width", last === void 0 ? "0" : `${(place(last) * 100).toFixed(1)}%`);
    setText(this.#value, away ? pane.state : showMs(last));
    this.#bar.setAttribute("aria-label", `${this.title}: ${last === void 0 ? "no live message yet" : showMs(last)}`);
  }
};

// src/sse.ts
var serverSentEvents = (names) => (reader) => {
  const link = new Link(reader, names);
  return () => link.close();
};
var Link = class {
  constructor(reader, names) {
    this.reader = reader;
    this.names = names;
    this.#recent = new Recent(reader.since());
    names.listen((name, passed) => this.#newName(name, passed));
    this.#open(reader.since());
  }
  reader;
  names;
  #source;
  #timer;
  #backoff = new Backoff();
  #recent;
  /** While the stream is read again: when the newest message that we had was published. What is older is late. */
  #rereading;
  #newest = 0;
  #problem;
  close() {
    this.names.listen(void 0);
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = void 0;
  }
  #open(since) {
    const source = new EventSource(messagesURL(this.reader.channel, { since, format: "message" }));
    this.#source = source;
    source.onopen = () => {
      this.#backoff.succeeded();
      this.reader.live();
    };
    source.onerror = () => this.#error(source);
    source.onmessage = (e) => this.#event(e);
    for (const name of this.names) this.#listenFor(name);
    source.addEventListener("todoke.gap", (e) => {
      this.#count(e);
      this.reader.gap(decodeGapEvent(e.data));
    });
    source.addEventListener("todoke.error", (e) => {
      this.#problem = decodeProblem(0, e.data, null).message;
    });
  }
  #listenFor(name) {
    if (name === "open" || name === "error" || name === "message") return;
    this.#source?.addEventListener(name, (e) => this.#event(e));
  }
  #newName(name, passed) {
    this.#listenFor(name);
    if (!passed || !this.#source) return;
    this.#source.close();
    this.#rereading = this.#newest;
    this.#open(this.#recent.before);
  }
  #event(e) {
    this.#count(e);
    let m;
    try {
      m = decodeEvent(e.data);
    } catch {
      return this.#again("an event was not understood");
    }
    if (this.#rereading === void 0) return this.#hand(m);
    if (this.#recent.has(m.id)) return;
    if (parseTime(m.time) <= this.#rereading) {
      this.#recent.add(m.id);
      return this.reader.lateMessage(m);
    }
    this.#rereading = void 0;
    this.#hand(m);
  }
  #hand(m) {
    this.#recent.add(m.id);
    this.#newest = parseTime(m.time);
    this.reader.message(m);
    this.reader.reached(m.id);
  }
  /** EventSource does not tell how many bytes came: this is the event as the server writes it. */
  #count(e) {
    const event = e.type === "message" ? 0 : byteLength(`event: ${e.type}
`);
    this.reader.received(byteLength(`id: ${e.lastEventId}
data: ${e.data}

`) + event);
  }
  #error(source) {
    if (this.#source !== source) return;
    const why = this.#problem ?? "the stream ended";
    this.#problem = void 0;
    if (source.readyState === EventSource.CLOSED) this.#again("the stream was refused");
    else this.reader.broken(why, void 0);
  }
  #again(why) {
    this.#source?.close();
    const wait = this.#backoff.next();
    this.reader.broken(why, wait);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(this.reader.since()), wait);
  }
};

// src/websocket.ts
var webSocket = (reader) => {
  const link = new Link2(reader);
  return () => link.close();
};
var Link2 = class {
  constructor(reader) {
    this.reader = reader;
    this.#connect();
  }
  reader;
  #socket;
  #timer;
  #backoff = new Backoff();
  /** What a graceful stop asked us to wait before the next connection. */
  #asked;
  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = void 0;
    socket?.close();
  }
  #connect() {
    const url = new URL(messagesURL(this.reader.channel, { since: this.reader.since() }), location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      this.#backoff.succeeded();
      this.reader.live();
    };
    socket.onmessage = (e) => {
      if (this.#socket === socket && typeof e.data === "string") this.#frame(e.data);
    };
    socket.onclose = (e) => {
      if (this.#socket === socket) this.#again(e);
    };
  }
  #frame(data) {
    this.reader.received(byteLength(data));
    let frame;
    try {
      frame = decodeFrame(data);
    } catch {
      this.#socket?.close(4e3, "not understood");
      return;
    }
    if (frame.kind === "message") {
      this.reader.message(frame.message);
      this.reader.reached(frame.message.id);
    } else if (frame.kind === "gap") this.reader.gap(frame.gap);
    else if (frame.kind === "position") this.reader.reached(frame.position);
    else if (frame.kind === "reconnect") this.#asked = frame.after;
  }
  #again(e) {
    const wait = this.#backoff.next(this.#asked);
    this.#asked = void 0;
    this.reader.broken(reason2(e.code), wait);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
};
function reason2(code) {
  if (code === 1006) return "connection lost";
  return code === 1012 ? "the server restarts" : `closed with ${code}`;
}

// src/main.ts
var kinds = [
  { id: "polling", title: "Polling", how: "asks every second", transport: () => polling },
  { id: "longpolling", title: "Long polling", how: "asks, and the answer waits", transport: () => longPolling },
  { id: "sse", title: "SSE", how: "EventSource, one response kept open", transport: serverSentEvents },
  { id: "websocket", title: "WebSocket", how: "one socket, one frame per message", transport: () => webSocket }
];
var wall = new WallClock();
var server = new ServerClock();
var announcer = new Announcer(find(document, "#announce"));
var rows = kinds.map((k) => new RaceRow(find(document, "#race"), k.id, k.title));
var views = kinds.map((k) => new PaneView(find(document, "#panes"), k.id, k.title, k.how));
var panes = [];
var publisher;
var repaint = new Repaint(() => {
  panes.forEach((pane, i) => {
    views[i]?.paint();
    rows[i]?.show(pane);
    announcer.look(kinds[i]?.title ?? "", pane);
  });
});
function startOf(channel) {
  const params = { since: "last=10", limit: "10" };
  return readPage({ channel, params, signal: AbortSignal.timeout(1e4) }).then((answer) => {
    if (!answer.page) throw new Error("the server answered without a page");
    return answer.page;
  });
}
async function join(channel) {
  const start = await startOf(channel);
  for (const pane of panes) pane.end();
  publisher = new Publisher(channel, wall, server);
  const shared = { publisher, names: new EventNames(), wall, server };
  for (const m of start.messages) shared.names.learn(m.event, false);
  form.onDraft = (d) => shared.names.learn(d.event, false);
  panes = kinds.map((k) => new Pane(channel, start.position, k.transport(shared.names), shared, () => repaint.ask()));
  panes.forEach((pane, i) => {
    for (const m of start.messages) pane.earlier(m);
    views[i]?.attach(pane);
    pane.open();
  });
  showChannel(channel);
}
function showChannel(channel) {
  const url = new URL(location.href);
  url.searchParams.set("channel", channel);
  history.replaceState(null, "", url);
  setText(find(document, "#curl"), `curl -d hello ${location.origin}/v1/channels/${channel}/messages`);
}
var form = new PublishForm(find(document, "#publish"), find(document, "#outcome"), {
  join,
  publish: async (drafts) => {
    if (!publisher) throw new Error("the server has not been reached yet");
    await publisher.publish(drafts);
    repaint.ask();
  }
});
async function begin() {
  const backoff = new Backoff();
  for (; ; ) {
    try {
      return await form.joinChannel();
    } catch (err) {
      if (err instanceof Problem && !err.worthRetrying) return;
    }
    await pause(backoff.next(), new AbortController().signal);
  }
}
form.channel = new URL(location.href).searchParams.get("channel") ?? "demo";
void begin();
