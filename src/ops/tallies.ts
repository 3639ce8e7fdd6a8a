/**
 * Counters and histograms for what happens a hundred thousand times a second: an addition each, in plain numbers, which become
 * prom-client's metrics when somebody scrapes (its own count hashes labels and makes objects at every call). A part of `Metrics`.
 */
import { Counter, type Histogram, type Registry } from 'prom-client';

/** Names of labels with their values. */
export type Labels = Readonly<Record<string, string>>;

/** One series of a counter. */
export class Tally {
  readonly labels: Labels;
  #count = 0;

  constructor(labels: Labels = {}) {
    this.labels = labels;
  }

  get count(): number {
    return this.#count;
  }

  add(count: number): void {
    this.#count += count;
  }
}

/** The series of one counter, each from zero on. */
export class Tallies {
  readonly #series: Tally[] = [];

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    const series = this.#series;
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, count } of series) this.inc({ ...labels }, count);
      },
    });
  }

  series(labels: Labels): Tally {
    const made = new Tally(labels);
    this.#series.push(made);
    return made;
  }
}

/** A counter without labels. */
export function tally(registry: Registry, name: string, help: string): Tally {
  return new Tallies(registry, name, help, []).series({});
}

/** One series of a histogram. */
export class Distribution {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  /** By bucket, and last what lies above all bounds. */
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[], labels: Labels) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#count;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
    this.#count++;
  }

  /** How many were at most each bound. */
  upTo(): { readonly bound: number; readonly count: number }[] {
    let count = 0;
    return this.#bounds.map((bound, bucket) => {
      count += this.#counts[bucket] as number;
      return { bound, count };
    });
  }
}

/** The series of one histogram. One that was never observed is shown if it has no labels. */
export class Distributions {
  readonly name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #series: Distribution[] = [];

  constructor(registry: Registry, name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.#help = help;
    this.#bounds = bounds;
    // A registry asks a metric for its name and `get`, and no more.
    registry.registerMetric(this as unknown as Histogram);
  }

  series(labels: Labels): Distribution {
    const made = new Distribution(this.#bounds, labels);
    this.#series.push(made);
    return made;
  }

  /** In prom-client's shape. */
  get(): Promise<object> {
    const shown = this.#series.filter(({ labels, count }) => count > 0 || Object.keys(labels).length === 0);
    const values = shown.flatMap((series) => this.#lines(series));
    return Promise.resolve({ name: this.name, help: this.#help, type: 'histogram', values });
  }

  #lines(series: Distribution): object[] {
    const { labels, sum, count } = series;
    const line = (suffix: string, value: number, own: object = {}): object => {
      return { metricName: `${this.name}_${suffix}`, labels: { ...own, ...labels }, value };
    };
    const buckets = series.upTo().map((each) => line('bucket', each.count, { le: each.bound }));
    return [...buckets, line('bucket', count, { le: '+Inf' }), line('sum', sum), line('count', count)];
  }
}

/** A histogram without labels. */
export function distribution(registry: Registry, name: string, help: string, bounds: readonly number[]): Distribution {
  return new Distributions(registry, name, help, bounds).series({});
}
