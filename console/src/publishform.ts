import { find, setText } from "./dom.ts";
import type { Draft } from "./publisher.ts";
import { showCount, showMs } from "./text.ts";
import { Problem } from "./wire.ts";

export interface Actions {
  /** @throws when the channel cannot be joined. */
  join(channel: string): Promise<void>;
  /** @throws when the server refused or cannot be reached. */
  publish(drafts: Draft[]): Promise<void>;
}

const burst = 100;

/** A PublishForm reads the publish box. Enter in any field publishes; leaving the channel's field joins the channel. */
export class PublishForm {
  /** Told of every draft before it is sent. */
  onDraft: (d: Draft) => void = () => undefined;
  #joined = "";
  #joining: Promise<void> = Promise.resolve();

  constructor(
    readonly form: HTMLFormElement,
    readonly outcome: HTMLElement,
    readonly actions: Actions,
  ) {
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      void this.#publish(1);
    });
    find(form, "#burst").addEventListener("click", () => void this.#publish(burst));
    this.#input("channel").addEventListener("change", () => void this.joinChannel().catch(() => undefined));
  }

  set channel(name: string) {
    this.#input("channel").value = name;
  }

  /** Joins the channel in the field unless it is joined already. Failures are shown and thrown. */
  joinChannel(): Promise<void> {
    // One after the other: the field's change event and a submit come together when Enter is pressed in it.
    this.#joining = this.#joining.catch(() => undefined).then(() => this.#join());
    return this.#joining;
  }

  async #join(): Promise<void> {
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

  async #publish(n: number): Promise<void> {
    try {
      await this.joinChannel();
    } catch {
      return; // joinChannel has said why
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

  #say(words: string, bad: boolean): void {
    setText(this.outcome, words);
    this.outcome.classList.toggle("bad", bad);
  }

  #value(name: string): string {
    return this.#input(name).value;
  }

  #input(name: string): HTMLInputElement {
    return find<HTMLInputElement>(this.form, `input[name="${name}"]`);
  }
}

function reason(err: unknown): string {
  // fetch throws a TypeError, and a time-out a DOMException, when there is no server to answer.
  if (err instanceof TypeError || err instanceof DOMException) return "the server cannot be reached";
  return err instanceof Error ? err.message : String(err);
}
