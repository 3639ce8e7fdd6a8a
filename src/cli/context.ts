/**
 * What a command gets: its arguments and flags, a way to the cluster, a way to print; and how a command ends.
 */
import type { Connection } from './connection.ts';
import { parseInt64 } from './go-text.ts';
import type { Printer, Sink } from './output.ts';

/** etcdctl's exit codes. */
export const exitCodes = { ok: 0, error: 1, badConnection: 2, badFeature: 4, interrupted: 5, badArgs: 128 } as const;

/** Ends the command with an exit code; `message` goes to stderr behind `Error: `, unless it is empty. */
export class Exit extends Error {
  override readonly name = 'Exit';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Everything a command may use. */
export interface Context {
  readonly args: readonly string[];
  /** Those of `args` that stood behind `--`. */
  readonly program: readonly string[];
  readonly sink: Sink;
  /** A flag's text, '' if it is not given. */
  flag(name: string): string;
  /** Whether a switch is on. */
  isOn(name: string): boolean;
  /** The connection to all endpoints. */
  connection(): Connection;
  /** Another one to all endpoints, for what goes on beside it and moves from member to member by itself. */
  ownConnection(): Connection;
  /** The endpoints as the user wrote them, or, with `--cluster`, as the members say. */
  endpoints(): Promise<readonly string[]>;
  /** A connection to one endpoint; closed with the command. */
  connectionTo(endpoint: string): Connection;
  /** The printer for the chosen format; refuses formats that cannot print `what`. */
  printer(what: 'answer' | 'rows', options?: { readonly valueOnly: boolean }): Printer;
  /** All of standard input; empty on a terminal. */
  input(): Promise<Uint8Array>;
  /** Fires when the user interrupts. */
  readonly interrupted: AbortSignal;
  /** The environment of the tool. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A command of the tool. */
export interface Command {
  /** Its words: `lease grant`. */
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly flags: readonly CommandFlag[];
  /** It ends by itself when the user interrupts, as it has something to put in order. */
  readonly endsItself?: true;
  run(context: Context): Promise<void>;
}

/** A flag of one command, or a global one. */
export interface CommandFlag {
  readonly name: string;
  readonly short?: string;
  readonly kind: 'value' | 'switch';
  readonly fallback: string;
  readonly summary: string;
}

/** A switch that is off by default. */
export function switchFlag(name: string, summary: string): CommandFlag {
  return { name, kind: 'switch', fallback: 'false', summary };
}

/** A flag with a value. */
export function valueFlag(name: string, fallback: string, summary: string): CommandFlag {
  return { name, kind: 'value', fallback, summary };
}

/** Ends the command: the arguments are wrong. */
export function badArgs(message: string): Exit {
  return new Exit(exitCodes.badArgs, message);
}

/** Ends the command: the command line cannot be read at all. etcdctl's flag library ends with 1 there, its commands with 128. */
export function badUsage(message: string): Exit {
  return new Exit(exitCodes.error, message);
}

/** A lease id as the user types it: hexadecimal. */
export function leaseArgument(text: string, what = 'bad lease ID arg'): bigint {
  const parsed = parseInt64(text, 16);
  if (!parsed.ok) throw badArgs(`${what} (${parsed.why}), expecting ID in Hex`);
  return parsed.value;
}
