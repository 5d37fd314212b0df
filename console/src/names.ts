/**
 * EventNames are the event names seen or used on the channel so far. EventSource hands over only events whose name
 * somebody listens to, so the SSE pane needs to know them; the other panes and the publish box tell it.
 */
export class EventNames {
  #known = new Set<string>();
  #listener: ((name: string, passed: boolean) => void) | undefined;

  constructor(readonly limit = 200) {}

  /** @param passed whether messages of that name may have passed already, or are only going to be published. */
  learn(name: string | undefined, passed: boolean): void {
    if (name === undefined || name === "" || this.#known.has(name) || this.#known.size >= this.limit) return;
    this.#known.add(name);
    this.#listener?.(name, passed);
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#known.values();
  }

  /** There is one EventSource, so there is one listener. */
  listen(listener: ((name: string, passed: boolean) => void) | undefined): void {
    this.#listener = listener;
  }
}
