/** Runs leasectl inside the test, with its output caught. */
import { leasectl } from '../../src/cli/leasectl.ts';

/** What a run printed and how it ended. */
export interface ToolRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command line of leasectl. `input` is standard input. */
export async function tool(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
  interrupted: AbortSignal = new AbortController().signal,
): Promise<ToolRun> {
  const out: Uint8Array[] = [];
  const err: string[] = [];
  const code = await leasectl(argv, {
    env,
    sink: { out: (text) => void out.push(Buffer.from(text as string)), err: (text) => void err.push(text) },
    interrupted,
    input: async () => Buffer.from(input),
  });
  return { code, out: Buffer.concat(out).toString('latin1'), err: err.join('') };
}
