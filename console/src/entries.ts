import { find, make } from "./dom.ts";
import { maxEntries, type Entry, type Pane } from "./pane.ts";
import { preview, showCount, showMs, showSeconds } from "./text.ts";

/** EntryList shows the last entries of a pane, newest first, and touches only what changed. */
export class EntryList {
  #list: HTMLElement;
  #empty: HTMLElement;
  #shown = 0; // the number of the newest entry shown

  constructor(root: HTMLElement) {
    this.#list = find(root, ".messages");
    this.#empty = find(root, ".empty");
  }

  show(pane: Pane): void {
    const fresh = pane.entries.filter((e) => e.number > this.#shown);
    for (const e of fresh) this.#list.prepend(render(e));
    this.#shown = fresh.at(-1)?.number ?? this.#shown;
    while (this.#list.childElementCount > maxEntries) this.#list.lastElementChild?.remove();
    if (pane.resumed) this.#update(pane.resumed);
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#shown = 0;
  }

  #update(e: Extract<Entry, { kind: "resumed" }>): void {
    const line = this.#list.querySelector(`[data-number="${e.number}"]`);
    const words = resumed(e);
    if (line && line.textContent !== words) line.textContent = words;
  }
}

function render(e: Entry): HTMLElement {
  const li = e.kind === "message" ? message(e) : make("li", e.kind, e.kind === "gap" ? gap(e) : resumed(e));
  li.dataset["number"] = String(e.number);
  return li;
}

function message(e: Extract<Entry, { kind: "message" }>): HTMLElement {
  const m = e.message;
  const li = make("li", `message ${e.how.replace(" ", "-")}`);
  li.dataset["id"] = m.id;
  li.title = m.id;
  li.append(make("span", "data", preview(m)));
  if (m.event !== undefined) li.append(make("span", "tag", m.event));
  if (m.key !== undefined) li.append(make("span", "tag key", m.key));
  li.append(make("span", "when", e.how === "live" ? showMs(e.latency) : e.how));
  return li;
}

function resumed(e: Extract<Entry, { kind: "resumed" }>): string {
  return `resumed after ${showSeconds(e.away)} · caught up: ${e.caughtUp}`;
}

function gap({ gap: g }: Extract<Entry, { kind: "gap" }>): string {
  const what = g.possible ? "Gap: messages may be missing" : "Gap: messages are no longer kept";
  return `${what}, ${g.from} to ${g.to}`;
}

/** What a screen reader is told about a finished catch-up. */
export function caughtUpSentence(title: string, n: number): string {
  return n === 0 ? `${title} resumed, nothing was missed` : `${title} resumed, caught up with ${showCount(n, "message")}`;
}
