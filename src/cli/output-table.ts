/**
 * The table format: members and endpoints in a frame, headers centred, cells to the right, long cells wrapped at words, as
 * the tablewriter library draws them in etcdctl. Everything else is refused with etcdctl's text.
 */
import {
  type EndpointHash,
  type EndpointHealth,
  type EndpointStatus,
  memberColumns,
  memberRows,
  type Printer,
  type Sink,
  type SnapshotStatus,
  snapshotColumns,
  snapshotRow,
  statusColumns,
  statusRow,
} from './output.ts';
import type { MemberListResponse } from './wire.ts';

/** Cells wider than this are wrapped where they have spaces. */
const cellColumnsMax = 30;

/** Prints what has rows; the rest is a bug of the caller, who asks `tableCan` first. */
export class TablePrinter implements Printer {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  members(answer: MemberListResponse): void {
    this.#sink.out(table(memberColumns, memberRows(answer)));
  }
  health(list: readonly EndpointHealth[]): void {
    const rows = list.map((one) => [one.endpoint, String(one.healthy), one.took, one.error]);
    this.#sink.out(table(['ENDPOINT', 'HEALTH', 'TOOK', 'ERROR'], rows));
  }
  status(list: readonly EndpointStatus[]): void {
    this.#sink.out(table(statusColumns, list.map(statusRow)));
  }
  hashes(list: readonly EndpointHash[]): void {
    const rows = list.map((one) => [one.endpoint, String(one.hash.hash)]);
    this.#sink.out(table(['ENDPOINT', 'HASH'], rows));
  }

  snapshotStatus(status: SnapshotStatus): void {
    this.#sink.out(table(snapshotColumns, [snapshotRow(status)]));
  }
  snapshotSaved(file: string): void {
    this.#sink.out(`Snapshot saved at ${file}\n`);
  }

  alarms(): void {
    refuse();
  }
  leaderMoved(): void {
    refuse();
  }
  get(): void {
    refuse();
  }
  watch(): void {
    refuse();
  }
  put(): void {
    refuse();
  }
  del(): void {
    refuse();
  }
  grant(): void {
    refuse();
  }
  revoke(): void {
    refuse();
  }
  keepAlive(): void {
    refuse();
  }
  expired(): void {}
  timeToLive(): void {
    refuse();
  }
  leases(): void {
    refuse();
  }
}

function refuse(): never {
  throw new Error('table not supported as output format');
}

/** Draws rows under headers. Without rows, the headers alone. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(wrap));
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...cells.flatMap((row) => (row[column] ?? []).map((line) => line.length))),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+\n`;
  const head = `|${headers.map((header, i) => ` ${centre(header, widths[i] ?? 0)} `).join('|')}|\n`;
  const body = cells.map((row) => {
    const height = Math.max(...row.map((lines) => lines.length));
    return Array.from({ length: height }, (_, line) => {
      const texts = row.map((lines, i) => ` ${(lines[line] ?? '').padStart(widths[i] ?? 0)} `);
      return `|${texts.join('|')}|\n`;
    }).join('');
  });
  return `${rule}${head}${rule}${body.join('')}${body.length > 0 ? rule : ''}`;
}

/** A spare column goes to the right of a centred text, as in tablewriter. */
function centre(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return `${' '.repeat(Math.max(0, left))}${text}`.padEnd(width);
}

/** Breaks a long cell at spaces into lines of at most `cellColumnsMax`, as evenly as fits. */
function wrap(text: string): readonly string[] {
  if (text.length <= cellColumnsMax) return [text];
  const words = text.split(' ');
  const limit = Math.max(cellColumnsMax, ...words.map((word) => word.length));
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > limit) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
