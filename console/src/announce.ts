import type { Pane, State } from "./pane.ts";
import { caughtUpSentence } from "./entries.ts";

/**
 * An Announcer says in words what the panes show in colour: a change of state, and what a resume brought.
 * Single messages are not read out; four panes of them would be noise.
 */
export class Announcer {
  #states = new Map<string, State>();
  #pending = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly region: HTMLElement) {}

  look(title: string, pane: Pane): void {
    const before = this.#states.get(title);
    if (pane.state !== before) {
      this.#states.set(title, pane.state);
      if (before === undefined || pane.state === "connecting") return;
      if (pane.state !== "live" || before === "connecting") return this.#say(title, `${title}: ${pane.state}`);
    }
    // While it catches up the sentence is still being collected, so the number is the final one.
    if (pane.state === "live" && this.#pending.has(title) && pane.resumed) {
      this.#pending.set(title, caughtUpSentence(title, pane.resumed.caughtUp));
    } else if (pane.state === "live" && before !== "live" && pane.resumed) {
      this.#say(title, caughtUpSentence(title, pane.resumed.caughtUp));
    }
  }

  #say(title: string, sentence: string): void {
    this.#pending.set(title, sentence);
    this.#timer ??= setTimeout(() => {
      this.region.textContent = [...this.#pending.values()].join(". ");
      this.#pending.clear();
      this.#timer = undefined;
    }, 700);
  }
}
