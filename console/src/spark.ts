import type { Latencies } from "./latency.ts";
import { showMs } from "./text.ts";

const width = 240;
const height = 40;

/** The bars of the last latencies, newest at the right, as the `d` of a path. Pure, so it is tested without a page. */
export function bars(samples: readonly number[], limit: number): string {
  const top = Math.max(1, ...samples);
  const step = width / limit;
  const first = limit - samples.length;
  return samples
    .map((ms, i) => {
      const x = ((first + i + 0.5) * step).toFixed(1);
      const y = (height - 1 - Math.max(1.5, (ms / top) * (height - 4))).toFixed(1);
      return `M${x} ${height - 1}V${y}`;
    })
    .join("");
}

export function drawSpark(svg: SVGElement, latencies: Latencies): void {
  svg.querySelector(".bars")?.setAttribute("d", bars(latencies.samples, latencies.limit));
  const n = latencies.samples.length;
  const label =
    n === 0
      ? "Latency: no live message yet"
      : `Latency of the last ${n}: median ${showMs(latencies.median)}, highest ${showMs(latencies.max)}`;
  if (svg.getAttribute("aria-label") !== label) svg.setAttribute("aria-label", label);
}
