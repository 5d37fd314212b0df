// Latencies are differences between the server's clock and ours, so both matter.

/**
 * The wall clock in milliseconds, finer than Date.now: performance.now on a base that is corrected when the
 * machine slept or its clock was set.
 */
export class WallClock {
  #base = Date.now() - performance.now();

  now(): number {
    const fine = this.#base + performance.now();
    const coarse = Date.now();
    if (Math.abs(fine - coarse) <= 20) return fine;
    this.#base = coarse - performance.now();
    return coarse;
  }
}

/**
 * A ServerClock learns from the answers to publishes how far the server's clock is from ours (the way NTP does: the
 * server's time lies between sending and receiving). A difference within the round trip is no difference.
 */
export class ServerClock {
  #offset = 0;
  #roundTrip = Infinity;

  answered(sent: number, received: number, serverTime: number): void {
    const roundTrip = received - sent;
    if (!Number.isFinite(serverTime) || roundTrip < 0 || roundTrip > this.#roundTrip) return;
    this.#roundTrip = roundTrip;
    const offset = serverTime - (sent + received) / 2;
    this.#offset = Math.abs(offset) <= roundTrip ? 0 : offset;
  }

  /** A moment of our clock, on the server's. */
  toServer(local: number): number {
    return local + this.#offset;
  }
}
