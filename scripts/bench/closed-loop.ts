/** Clients that each call again as soon as they were answered, and what that comes to. */
import { quantile } from './row.ts';

/** How long each call took, and how long all of it. */
export interface Timed {
  readonly tookMs: readonly number[];
  readonly seconds: number;
}

/** Lets `clients` call for `seconds`, or until `callsMax` calls were begun. */
export async function timed(
  seconds: number,
  clients: number,
  call: (n: number) => Promise<unknown>,
  callsMax = Number.POSITIVE_INFINITY,
): Promise<Timed> {
  const tookMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < callsMax && performance.now() < endMs) {
      const sentMs = performance.now();
      await call(next++);
      tookMs.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { tookMs, seconds: (performance.now() - startMs) / 1_000 };
}

export function figuresOf({ tookMs, seconds }: Timed): Record<string, number> {
  const sorted = Float64Array.from(tookMs).sort();
  return {
    perSecond: tookMs.length / seconds,
    msMedian: quantile(sorted, 0.5),
    msP99: quantile(sorted, 0.99),
    msMax: quantile(sorted, 1),
  };
}
