import { find, setText, stamp } from "./dom.ts";
import { EntryList } from "./entries.ts";
import type { Pane, State } from "./pane.ts";
import { drawSpark } from "./spark.ts";
import { showBytes, showMs } from "./text.ts";

const words: Record<State, string> = {
  connecting: "Connecting",
  live: "Live",
  cut: "Cut",
  reconnecting: "Reconnecting",
  stopped: "Stopped",
};

/** A PaneView is the card of one transport. */
export class PaneView {
  #root = stamp("pane");
  #entries = new EntryList(this.#root);
  #button = find<HTMLButtonElement>(this.#root, ".cut");
  #pane: Pane | undefined;

  constructor(
    parent: Element,
    id: string,
    readonly title: string,
    how: string,
  ) {
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

  /** Shows another pane from now on: the channel changed. */
  attach(pane: Pane): void {
    this.#pane = pane;
    this.#entries.clear();
    this.paint();
  }

  paint(): void {
    const pane = this.#pane;
    if (!pane) return;
    this.#state(pane);
    this.#figures(pane);
    this.#check(pane);
    this.#entries.show(pane);
  }

  #toggle(): void {
    if (!this.#pane) return;
    if (isAway(this.#pane)) this.#pane.resume();
    else this.#pane.cut();
  }

  #state(pane: Pane): void {
    if (this.#root.dataset["state"] !== pane.state) this.#root.dataset["state"] = pane.state;
    setText(find(this.#root, ".word"), words[pane.state]);
    setText(find(this.#root, ".reason"), pane.reason);
    // The reason takes the place of the description, so that nothing moves.
    find(this.#root, ".how").hidden = pane.reason !== "";
    const action = isAway(pane) ? "Resume" : "Cut";
    setText(this.#button, action);
    this.#button.setAttribute("aria-label", `${action} ${this.title}`);
  }

  #figures(pane: Pane): void {
    drawSpark(find<SVGElement>(this.#root, ".spark"), pane.latencies);
    this.#set(".scale", scale(pane));
    this.#set(".latency", showMs(pane.latencies.last));
    this.#set(".from-click", showMs(pane.fromClick));
    this.#set(".bytes", showBytes(pane.bytes));
    this.#set(".count", String(pane.messages));
    this.#set(".position", pane.position);
  }

  #check(pane: Pane): void {
    const { lost, duplicated, reordered, missed } = pane.check.tally;
    this.#count(".lost", lost, "lost");
    this.#count(".duplicated", duplicated, "duplicated");
    this.#count(".reordered", reordered, "reordered");
    const gaps = pane.gaps === 0 ? "" : `${pane.gaps} ${pane.gaps === 1 ? "gap" : "gaps"} told${missed ? `, ${missed} gone` : ""}`;
    this.#set(".gaps", gaps);
    this.#set(".caught", pane.resumed ? `caught up: ${pane.resumed.caughtUp}` : "");
    this.#set(".to-come", isAway(pane) && pane.toCome > 0 ? `${pane.toCome} waiting` : "");
  }

  #count(selector: string, n: number, word: string): void {
    const e = find(this.#root, selector);
    e.classList.toggle("bad", n > 0);
    setText(e, `${n} ${word}`);
  }

  #set(selector: string, text: string): void {
    setText(find(this.#root, selector), text);
  }
}

function scale({ latencies }: Pane): string {
  if (latencies.last === undefined) return "no live message yet";
  return `highest ${showMs(latencies.max)}, median ${showMs(latencies.median)}`;
}

function isAway(pane: Pane): boolean {
  return pane.state === "cut" || pane.state === "stopped";
}
