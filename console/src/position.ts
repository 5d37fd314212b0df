/**
 * A Cursor is one pane's place in the log.
 *
 * Positions are opaque, so it compares nothing: everything arrives in the order of the log, and the position that
 * came last (of a message, an opening, a keep-alive or a page) is the one to resume from.
 */
export class Cursor {
  #position: string;

  constructor(start: string) {
    this.#position = start;
  }

  /** What `since=` gets on the next connection. */
  get position(): string {
    return this.#position;
  }

  /** Everything up to this position has arrived. An empty one (EventSource before its first id) says nothing. */
  reached(position: string): void {
    if (position !== "") this.#position = position;
  }
}

/**
 * A Recent remembers the ids of the last messages of a connection, and the position right before the oldest of them.
 * From there a connection may be read again, and what it knows passed over.
 */
export class Recent {
  #ids = new Set<string>();
  #before: string;

  constructor(
    start: string,
    readonly limit = 10_000,
  ) {
    this.#before = start;
  }

  /** Where a second reading starts. */
  get before(): string {
    return this.#before;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= this.limit) return;
    // A Set iterates in the order of insertion, so the first is the oldest.
    const [oldest] = this.#ids;
    if (oldest !== undefined) {
      this.#ids.delete(oldest);
      this.#before = oldest;
    }
  }
}
