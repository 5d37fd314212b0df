import { find, setText, stamp } from "./dom.ts";
import type { Pane } from "./pane.ts";
import { showMs } from "./text.ts";

const least = 0.1; // the left end of the axis, in milliseconds
const decades = 5; // 0.1 ms to 10 s

/** Where a latency lies on the logarithmic axis, from 0 to 1. */
export function place(ms: number): number {
  return Math.min(1, Math.max(0.01, Math.log10(Math.max(ms, least) / least) / decades));
}

/** A RaceRow is one transport's bar in the figure at the top. */
export class RaceRow {
  #root = stamp("race-row");
  #fill = find<SVGRectElement>(this.#root, ".fill");
  #value = find(this.#root, ".value");
  #bar = find<SVGElement>(this.#root, ".bar");

  constructor(
    parent: Element,
    readonly id: string,
    readonly title: string,
  ) {
    this.#root.dataset["transport"] = id;
    const name = find<HTMLAnchorElement>(this.#root, ".name");
    name.href = `#${id}`;
    name.textContent = title;
    parent.append(this.#root);
  }

  show(pane: Pane): void {
    const last = pane.latencies.last;
    const away = pane.state === "cut" || pane.state === "stopped";
    this.#root.classList.toggle("away", away);
    this.#fill.setAttribute("width", last === undefined ? "0" : `${(place(last) * 100).toFixed(1)}%`);
    setText(this.#value, away ? pane.state : showMs(last));
    this.#bar.setAttribute("aria-label", `${this.title}: ${last === undefined ? "no live message yet" : showMs(last)}`);
  }
}
