// The counter check. Positions are opaque, so nothing can be counted with them; instead every message published here
// carries a header `console-seq: RUN.N`, where a run is one page on one channel and N counts from 1.
// Messages of other publishers (curl) have none and are not counted.
//
// In a channel that is conflated a message may stand for several: there a hole is a fold and not a loss.

/** The header that carries the counter. */
export const header = "console-seq";

const maxRuns = 50; // runs of other pages that one pane keeps in mind
const maxMissing = 10_000; // holes per run that may still turn out to be late messages

export interface Tally {
  /** Messages that never came, although no gap was told. */
  lost: number;
  /** Messages that came more than once. */
  duplicated: number;
  /** Messages that came after a later one. */
  reordered: number;
  /** Messages that a gap notice explains: they are not kept any more. */
  missed: number;
}

interface Run {
  next: number;
  missing: Set<number>;
  gapTold: boolean;
}

export function parseSeq(value: string | undefined): { run: string; n: number } | undefined {
  const m = /^([A-Za-z0-9_-]{1,40})\.([1-9]\d{0,14})$/.exec(value ?? "");
  return m ? { run: m[1] ?? "", n: Number(m[2]) } : undefined;
}

export class SequenceCheck {
  readonly tally: Tally = { lost: 0, duplicated: 0, reordered: 0, missed: 0 };
  #runs = new Map<string, Run>();

  /** @param own the run whose first message this pane is sure to be there for: it has to begin with 1. */
  constructor(own?: string) {
    if (own !== undefined) this.#runs.set(own, { next: 1, missing: new Set(), gapTold: false });
  }

  message(seq: string | undefined): void {
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
  gap(): void {
    for (const run of this.#runs.values()) run.gapTold = true;
  }

  /** How many of the first n messages of a run have not come, lost ones included. */
  toCome(run: string, n: number): number {
    const r = this.#runs.get(run);
    return r ? Math.max(0, n + 1 - r.next) + r.missing.size : 0;
  }

  #run(id: string, first: number): Run {
    let run = this.#runs.get(id);
    if (!run) {
      // Another page's run: where it stood when this pane joined is not known, so it begins with what comes first.
      run = { next: first, missing: new Set(), gapTold: false };
      this.#runs.set(id, run);
      this.#forgetOldest();
    }
    return run;
  }

  #forward(run: Run, n: number): void {
    const hole = n - run.next;
    if (hole > 0 && run.gapTold) this.tally.missed += hole;
    else if (hole > 0) {
      this.tally.lost += hole;
      for (let i = run.next; i < n && run.missing.size < maxMissing; i++) run.missing.add(i);
    }
    run.gapTold = false;
    run.next = n + 1;
  }

  #forgetOldest(): void {
    if (this.#runs.size <= maxRuns) return;
    const second = [...this.#runs.keys()][1]; // the first is our own
    if (second !== undefined) this.#runs.delete(second);
  }
}
