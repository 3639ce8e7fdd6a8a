/**
 * Counters of etcd's that are made of what passes by: operations of the store as applied commands come to them, watch streams, health
 * checks. Twice where etcd has an older name for the same (`etcd_debugging_mvcc_…`). A part of `Metrics`.
 */
import { Gauge, type Registry } from 'prom-client';
import type { Command } from '../state/command.ts';
import type { Result } from '../state/outcome.ts';
import { tally as counterOf, type Tally } from './tallies.ts';

type Operation = 'put' | 'delete' | 'range' | 'txn';

export class EtcdCounters {
  readonly #operations: Readonly<Record<Operation, readonly Tally[]>>;
  readonly #watchStreams: Gauge;
  readonly #swept: Tally;
  readonly #healthy: Tally;
  readonly #ill: Tally;

  constructor(registry: Registry) {
    const counter = (name: string, help: string): Tally => counterOf(registry, name, help);
    const operation = (name: Operation, help: string): readonly Tally[] => [
      counter(`etcd_mvcc_${name}_total`, help),
      counter(`etcd_debugging_mvcc_${name}_total`, help),
    ];
    this.#operations = {
      put: operation('put', 'Puts applied.'),
      delete: operation('delete', 'Deletes applied.'),
      range: operation('range', 'Ranges read.'),
      txn: operation('txn', 'Txns applied that did more than one thing.'),
    };
    const streams = { name: 'etcd_debugging_mvcc_watch_stream_total', help: 'Watch streams.' };
    this.#watchStreams = new Gauge({ ...streams, registers: [registry] });
    this.#swept = counter('etcd_debugging_mvcc_db_compaction_keys_total', 'Versions taken away after compactions.');
    this.#healthy = counter('etcd_server_health_success', 'Health checks that said yes.');
    this.#ill = counter('etcd_server_health_failures', 'Health checks that said no.');
  }

  /** A command was applied and came to this. */
  applied(type: Command['type'], result: Result): void {
    if (type === 'sweep' && result.type === 'done') this.#swept.add(result.touched);
    if (result.type === 'done' || result.type === 'grant') return;
    const count = { put: 0, delete: 0, range: 0 };
    tally(result, count);
    this.#add('put', count.put);
    this.#add('delete', count.delete);
    this.#add('range', count.range);
    if (count.put + count.delete + count.range > 1) this.#add('txn', 1);
  }

  /** A range that needed no log. */
  ranged(): void {
    this.#add('range', 1);
  }

  /** A watch stream was opened (1) or is over (-1). */
  watchStreams(change: 1 | -1): void {
    this.#watchStreams.inc(change);
  }

  healthChecked(ok: boolean): void {
    (ok ? this.#healthy : this.#ill).add(1);
  }

  #add(name: Operation, count: number): void {
    if (count > 0) for (const counter of this.#operations[name]) counter.add(count);
  }
}

function tally(result: Result, count: { put: number; delete: number; range: number }): void {
  switch (result.type) {
    case 'put':
      count.put++;
      break;
    case 'deleteRange':
      count.delete++;
      break;
    case 'range':
      count.range++;
      break;
    case 'txn':
      for (const response of result.responses) tally(response, count);
      break;
    default:
      break;
  }
}
