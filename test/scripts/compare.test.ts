/** The side-by-side benchmark: its words, its arithmetic, and every kind of load in small. What it measures is no test's business. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compareArguments } from '../../scripts/bench/compare/arguments.ts';
import { type Compared, compared, spread } from '../../scripts/bench/compare/figures.ts';
import { picture } from '../../scripts/bench/compare/picture.ts';
import { type RowSpec, roads, rows } from '../../scripts/bench/compare/rows.ts';
import { jsonOf, markdownOf, simpleOf } from '../../scripts/bench/compare/write.ts';
import { LoadProcess } from '../../scripts/bench/load/load.ts';
import type { Measured } from '../../scripts/bench/load/meter.ts';
import { ProcessCluster } from '../cluster/processes.ts';

const script = fileURLToPath(new URL('../../scripts/bench.ts', import.meta.url));

const spec: RowSpec = {
  road: 'grant',
  name: 'grant',
  shape: { kind: 'grant', connections: 1, clients: 1 },
  on: 'leader',
  wanted: { rate: 2, cpu: 2.5 },
};

/** A round in which a second brought so many operations at so many microseconds of CPU each. */
const round = (perSecond: number, micros: number, errors = 0): Measured => ({
  operations: 2 * perSecond,
  seconds: 2,
  errors,
  firstError: errors > 0 ? '14 gone' : '',
  msMedian: 1,
  msP99: 2,
  msMax: 3,
  memberCpuSeconds: (2 * perSecond * micros) / 1e6,
  loadCores: 0.25,
});

/** Etcd at 1,000 a second and 100 µs in every round. */
const against = (...ours: readonly Measured[]): Compared =>
  compared(spec, { leasehold: ours, etcd: ours.map(() => round(1_000, 100)) });

describe('compare', () => {
  it('takes medians of odd and even numbers of rounds', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spread([7])).toEqual({ median: 7, min: 7, max: 7 });
  });

  it('holds what is wanted of rate and of CPU, without errors', () => {
    expect(against(round(2_000, 40), round(2_500, 40), round(100, 400)).holds).toBe(true);
    expect(against(round(1_999, 40)).holds).toBe(false);
    expect(against(round(2_000, 41)).holds).toBe(false);
    expect(against(round(2_000, 40, 1)).holds).toBe(false);
    expect(compared({ ...spec, wanted: undefined }, { leasehold: [round(1, 1)], etcd: [round(1, 1)] }).holds).toBe(
      undefined,
    );
    expect(compared(spec, { leasehold: [round(1, 1)] })).toMatchObject({ holds: undefined, ratios: undefined });
  });

  it('holds a p99 of ours, whatever etcd takes', () => {
    const within = (msP99Max: number) =>
      compared({ ...spec, wanted: undefined, msP99Max }, { leasehold: [round(1, 1)] });
    expect([within(2).holds, within(1.9).holds]).toEqual([true, false]);
    expect(simpleOf(compared({ ...spec, msP99Max: 2 }, { leasehold: [round(9, 1)], etcd: [round(1, 9)] }))).toContain(
      'wanted × 2, 1/2.5, p99 2 ms: holds',
    );
  });

  it('compares round by round', () => {
    const { ratios } = compared(spec, {
      leasehold: [round(2_000, 10), round(300, 30)],
      etcd: [round(1_000, 100), round(100, 60)],
    });
    expect(ratios?.rate).toEqual({ median: 2.5, min: 2, max: 3 });
    expect(ratios?.cpu.min).toBeCloseTo(2);
    expect(ratios?.cpu.max).toBeCloseTo(10);
  });

  it('writes rows for people, pages and programs', () => {
    const row = against(round(3_000, 20));
    expect(simpleOf(row)).toBe(
      `grant
  leasehold  3,000 (3,000–3,000) a second, 1.00 / 2.00 ms, CPU 20.0 µs (20.0–20.0), load 0.25 of a core
  etcd       1,000 (1,000–1,000) a second, 1.00 / 2.00 ms, CPU 100 µs (100–100), load 0.25 of a core
  ratio      rate × 3.00 (3.00–3.00), CPU 1/5.00 (5.00–5.00); wanted × 2, 1/2.5: holds
`,
    );
    const lines = markdownOf([row, against(round(10, 10, 3))], ['leasehold', 'etcd']).split('\n');
    expect(lines.map((line) => line.split('|').length)).toEqual([14, 14, 14, 14, 1]);
    expect(lines[2]).toContain('| × 2, 1/2.5 | holds |');
    expect(lines[3]).toContain('| misses (3 errors) |');
    expect(simpleOf(against(round(10, 10, 3)))).toContain('3 errors: 14 gone');
    expect(markdownOf([compared(spec, { leasehold: [round(1, 1)] })], ['leasehold']).split('\n')[0]).not.toContain(
      'etcd',
    );
    expect(JSON.parse(jsonOf(row))).toMatchObject({ name: 'grant', holds: true, ratios: { rate: { median: 3 } } });
  });

  it('draws a bar for rate and CPU of each row, from etcd’s line on', () => {
    const drawn = picture([against(round(4_000, 50)), against(round(500, 400))]);
    const bars = [...drawn.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g)].filter(
      ([, , y]) => Number(y) > 40,
    );
    const one = Number(/<line x1="([\d.]+)"[^>]*"#8c8c8c"\/>/.exec(drawn)?.[1]);
    const [rate, cpu, slower, dearer] = bars.map(([, x, , width]) => ({ x: Number(x), width: Number(width) }));
    expect(rate?.x).toBe(one);
    expect(cpu?.x).toBe(one);
    expect(rate?.width).toBeCloseTo(2 * (cpu?.width ?? 0), 0);
    for (const bar of [slower, dearer]) expect((bar?.x ?? 0) + (bar?.width ?? 0)).toBeCloseTo(one, 0);
    expect(drawn).toContain('>4.0</text>');
    expect(drawn).not.toMatch(/NaN|undefined/);
  });

  it('has rows for every wanted ratio, each road’s side by side', () => {
    expect(rows.filter(({ wanted }) => wanted !== undefined).map(({ name }) => name).length).toBe(14);
    expect(roads.flatMap((road) => rows.filter((row) => row.road === road))).toEqual(rows);
  });

  it('reads its command line', () => {
    const { roads: chosen, ...plain } = compareArguments([]) as Exclude<
      ReturnType<typeof compareArguments>,
      { help: true }
    > & {
      roads: readonly string[];
    };
    expect(chosen).toEqual(roads);
    expect(plain).toEqual({
      targets: ['leasehold', 'etcd'],
      rounds: 3,
      seconds: 3,
      warmSeconds: 1.5,
      write: 'simple',
      svg: undefined,
      check: false,
    });
    expect(
      compareArguments(['lock', '--rounds=2', '--seconds=0.5', '--warm=0', '--target=etcd', '-w', 'json']),
    ).toEqual({
      roads: ['lock'],
      targets: ['etcd'],
      rounds: 2,
      seconds: 0.5,
      warmSeconds: 0,
      write: 'json',
      svg: undefined,
      check: false,
    });
    expect(compareArguments(['--svg=a.svg', '--check'])).toMatchObject({ svg: 'a.svg', check: true });
    expect(compareArguments(['sideways', '--help'])).toEqual({ help: true });
  });

  it.each([
    ['sideways'],
    ['--rounds=0'],
    ['--seconds=x'],
    ['--warm=-1'],
    ['--target=consul'],
    ['-wxml'],
    ['--check', '--target=etcd'],
    ['--svg=x', '--target=leasehold'],
    ['--sideways'],
  ])('refuses %s %s', (...args) => {
    expect(compareArguments(args)).toEqual({ mistake: expect.stringMatching(/./) });
  });

  it('says so, and shows what there is', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ['--import', 'tsx', script, 'compare', ...args], { encoding: 'utf8' });
    expect(run('sideways')).toMatchObject({
      status: 2,
      stderr: 'bench: sideways is no road of compare; --help lists all\n',
    });
    const { stdout } = run('--help');
    for (const road of roads) expect(stdout).toContain(`\n  ${road}\n`);
  });

  it('puts every kind of load on a member, without an error', { timeout: 120_000 }, async () => {
    const cluster = await ProcessCluster.start({ members: 1, proxied: false });
    const load = new LoadProcess();
    try {
      await cluster.ready();
      for (const { name, shape, warmSecondsMax } of rows) {
        const { operations, errors, firstError, memberCpuSeconds } = await load.measure({
          ...shape,
          ...(shape.leases === undefined ? {} : { leases: 2_000 }),
          endpoints: cluster.endpoints,
          pids: cluster.members.map(({ pid }) => pid),
          warmSeconds: Math.min(0.05, warmSecondsMax ?? 1),
          seconds: 0.2,
        });
        expect([errors, firstError], name).toEqual([0, '']);
        expect(operations, name).toBeGreaterThan(0);
        expect(memberCpuSeconds, name).toBeGreaterThanOrEqual(0);
      }
      const nobody = { kind: 'grant', connections: 1, clients: 1, pids: [], warmSeconds: 0, seconds: 0.1 } as const;
      await expect(load.measure({ ...nobody, endpoints: ['127.0.0.1:1'] })).rejects.toThrow('ECONNREFUSED');
    } finally {
      load.end();
      await cluster.stop();
    }
  });
});
