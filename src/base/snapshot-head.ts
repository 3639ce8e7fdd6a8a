/**
 * The head of a snapshot file (decision 0014): lines that a person can read and a program can check, in one block of 512 bytes. Owns
 * the layout of the head and the sizes of the file; pure. What the records behind it say is the image's affair.
 */

/** Raised when the file's layout changes; another format is refused. */
export const snapshotFileFormat = 1;
/** The head, and what the length of head and records is a multiple of; behind them stands a SHA-256 of all before it. */
export const snapshotBlockBytes = 512;
export const snapshotHashBytes = 32;

/** What a snapshot file says of itself. */
export interface SnapshotFileHead {
  /** 16 hexadecimal digits each: the cluster, and the member that wrote it. */
  readonly cluster: string;
  readonly member: string;
  /** The entry of the log up to which everything is in it. */
  readonly index: number;
  readonly term: number;
  /** The store's revision there. */
  readonly revision: number;
  /** The state's digest, 32 hexadecimal digits; its first 8 are what Maintenance.Hash answers. */
  readonly digest: string;
  /** Versions of keys. */
  readonly versions: number;
  readonly records: number;
  /** Bytes of the records. */
  readonly bytes: number;
}

const hexFields = { cluster: 16, member: 16, digest: 32 } as const;
const order = ['cluster', 'member', 'index', 'term', 'revision', 'digest', 'versions', 'records', 'bytes'] as const;

/** The head's text, without what fills its block. */
export function snapshotHeadText(head: SnapshotFileHead): string {
  return `leasehold snapshot format ${snapshotFileFormat}\n${order.map((name) => `${name} ${head[name]}\n`).join('')}`;
}

/** Reads the text of a head, filling included, or says what is wrong with it. */
export function readSnapshotHead(block: string): SnapshotFileHead | string {
  const text = block.replace(/\0*$/, '');
  const [title = '', ...lines] = text.split('\n');
  const format = /^leasehold snapshot format (\d{1,9})$/.exec(title)?.[1];
  if (format === undefined) return 'not a snapshot of leasehold';
  if (Number(format) !== snapshotFileFormat) return `format ${format}, this program knows ${snapshotFileFormat}`;
  const found = new Map(lines.map((line): [string, string] => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']));
  const hex = (name: keyof typeof hexFields): string => {
    const value = found.get(name) ?? '';
    return /^[0-9a-f]+$/.test(value) && value.length === hexFields[name] ? value : '';
  };
  const count = (name: string): number => (/^\d{1,16}$/.test(found.get(name) ?? '') ? Number(found.get(name)) : -1);
  const head: SnapshotFileHead = {
    cluster: hex('cluster'),
    member: hex('member'),
    index: count('index'),
    term: count('term'),
    revision: count('revision'),
    digest: hex('digest'),
    versions: count('versions'),
    records: count('records'),
    bytes: count('bytes'),
  };
  return snapshotHeadText(head) === text ? head : 'its head is damaged';
}

/** Bytes of head and records with their filling: the length of the file but for the hash at its end. */
export function snapshotBodyBytes(recordBytes: number): number {
  return snapshotBlockBytes * (1 + Math.ceil(recordBytes / snapshotBlockBytes));
}
