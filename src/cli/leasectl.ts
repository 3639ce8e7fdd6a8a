/**
 * leasectl: from a command line to an exit code. Global flags come from the command line, else `LEASECTL_*`, else
 * `ETCDCTL_*`. Touches no `process`: the program hands in what it needs.
 */
import { nearestName, parseArgv, parseDurationMs, parseSwitch } from '../base/argv.ts';
import { clusterCommands } from './cluster-commands.ts';
import { CallError, Connection, endpointTarget } from './connection.ts';
import {
  badArgs,
  badUsage,
  type Command,
  type CommandFlag,
  type Context,
  Exit,
  exitCodes,
  switchFlag,
  valueFlag,
} from './context.ts';
import { keyCommands } from './key-commands.ts';
import { leaseCommands } from './lease-commands.ts';
import { lockCommands } from './lock-commands.ts';
import { maintenanceCommands } from './maintenance-commands.ts';
import { type Printer, SimplePrinter, type Sink } from './output.ts';
import { FieldsPrinter } from './output-fields.ts';
import { JsonPrinter } from './output-json.ts';
import { TablePrinter } from './output-table.ts';
import { snapshotCommands } from './snapshot-commands.ts';
import { watchCommands } from './watch-commands.ts';
import { Wire } from './wire.ts';

/** What the tool needs of the world. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly sink: Sink;
  readonly interrupted: AbortSignal;
  input(): Promise<Uint8Array>;
}

const commands: readonly Command[] = [
  ...leaseCommands,
  ...keyCommands,
  ...lockCommands,
  ...watchCommands,
  ...clusterCommands,
  ...maintenanceCommands,
  ...snapshotCommands,
];

const globalFlags: readonly CommandFlag[] = [
  valueFlag('command-timeout', '5s', 'Timeout of a command'),
  valueFlag('dial-timeout', '2s', 'Accepted for etcdctl; the command timeout covers reaching a member'),
  valueFlag('endpoints', '127.0.0.1:2379', 'Where the cluster is: host:port, separated by commas'),
  switchFlag('hex', 'Print byte strings as hex encoded strings'),
  { ...valueFlag('write-out', 'simple', 'Output format: fields, json, simple, table'), short: 'w' },
  { ...switchFlag('help', 'Help for a command'), short: 'h' },
];

/** Flags of etcdctl that would make a connection safer: until we have them, asking for one is refused. */
const refusedFlags: readonly CommandFlag[] = [
  ...['cacert', 'cert', 'key', 'user', 'password', 'discovery-srv'].map((name) => valueFlag(name, '', '')),
  switchFlag('insecure-skip-tls-verify', ''),
];
/** Flags of etcdctl that change nothing here. */
const ignoredFlags: readonly CommandFlag[] = [
  ...['keepalive-time', 'keepalive-timeout', 'discovery-srv-name'].map((name) => valueFlag(name, '', '')),
  ...['debug', 'insecure-discovery'].map((name) => switchFlag(name, '')),
  { ...switchFlag('insecure-transport', ''), fallback: 'true' },
];

/** Runs one command line and returns the exit code. Never throws for what a user or a server can do. */
export async function leasectl(argv: readonly string[], world: World): Promise<number> {
  const connections: Connection[] = [];
  try {
    const { command, flags, args, behindDashes } = understand(argv);
    if (command === undefined || flags.get('help') === 'true') {
      world.sink.out(helpText(command, argv));
      return exitCodes.ok;
    }
    const running = command.run(contextOf(command, flags, { args, behindDashes }, world, connections));
    await (command.endsItself ? running : Promise.race([running, interruption(world.interrupted)]));
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof Exit || error instanceof CallError) {
      if (error.message !== '') world.sink.err(`Error: ${error.message}\n`);
      return error instanceof Exit ? error.code : exitCodes.error;
    }
    throw error;
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Rejects when the user has had enough, whatever the command is waiting for. */
function interruption(interrupted: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new Exit(exitCodes.interrupted, ''));
    if (interrupted.aborted) end();
    interrupted.addEventListener('abort', end);
  });
}

interface Understood {
  readonly command: Command | undefined;
  readonly flags: ReadonlyMap<string, string>;
  readonly args: readonly string[];
  readonly behindDashes: number;
}

/** Finds the command among the words, then reads its flags. */
function understand(argv: readonly string[]): Understood {
  const everyFlag = [...globalFlags, ...refusedFlags, ...ignoredFlags, ...commands.flatMap((command) => command.flags)];
  const first = parseArgv(argv, everyFlag);
  if (first.type !== 'parsed') throw flagMistake(first);
  const [word1 = '', word2 = ''] = first.args;
  if (word1 === '' || word1 === 'help') return nothing(first.flags);
  const command = commands.find((one) => one.name === word1 || one.name === `${word1} ${word2}`);
  if (command === undefined) {
    if (commands.some((one) => one.name.startsWith(`${word1} `)) && word2 === '') {
      return nothing(first.flags);
    }
    throw badUsage(unknownCommand(word1, word2));
  }
  const parsed = parseArgv(argv, [...globalFlags, ...refusedFlags, ...ignoredFlags, ...command.flags]);
  if (parsed.type !== 'parsed') throw flagMistake(parsed);
  const args = parsed.args.slice(command.name.split(' ').length);
  return { command, flags: parsed.flags, args, behindDashes: Math.min(args.length, parsed.behindDashes) };
}

function nothing(flags: ReadonlyMap<string, string>): Understood {
  return { command: undefined, flags, args: [], behindDashes: 0 };
}

function unknownCommand(word1: string, word2: string): string {
  const typed = commands.some((one) => one.name.startsWith(`${word1} `)) ? `${word1} ${word2}` : word1;
  const near = nearestName(
    typed,
    commands.map((one) => (typed.includes(' ') ? one.name : (one.name.split(' ')[0] ?? ''))),
  );
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return `unknown command "${typed}" for "leasectl"${hint}\nRun 'leasectl --help' for usage.`;
}

function flagMistake(mistake: Exclude<ReturnType<typeof parseArgv>, { type: 'parsed' }>): Exit {
  if (mistake.type === 'missingValue') return badUsage(`flag needs an argument: --${mistake.flag}`);
  const hint = mistake.nearest === undefined ? '' : ` (did you mean --${mistake.nearest}?)`;
  return badUsage(`unknown flag: --${mistake.flag}${hint}`);
}

function contextOf(
  command: Command,
  given: ReadonlyMap<string, string>,
  { args, behindDashes }: Pick<Understood, 'args' | 'behindDashes'>,
  world: World,
  connections: Connection[],
): Context {
  const known = [...command.flags, ...globalFlags, ...ignoredFlags];
  const fromEnv = (name: string): string | undefined => {
    const upper = name.toUpperCase().replaceAll('-', '_');
    return world.env[`LEASECTL_${upper}`] ?? world.env[`ETCDCTL_${upper}`];
  };
  const flag = (name: string): string => {
    const global = !command.flags.some((one) => one.name === name);
    const fallback = known.find((one) => one.name === name)?.fallback ?? '';
    return given.get(name) ?? (global ? fromEnv(name) : undefined) ?? fallback;
  };
  const isOn = (name: string): boolean => {
    const value = parseSwitch(flag(name));
    if (value === undefined)
      throw badUsage(`invalid argument ${JSON.stringify(flag(name))} for "--${name}" flag: use true or false`);
    return value;
  };
  for (const refused of refusedFlags) {
    const value = given.get(refused.name) ?? fromEnv(refused.name);
    if (value !== undefined && value !== '' && value !== 'false') {
      throw badArgs(`--${refused.name} is not supported yet (no TLS, no users); leave it out`);
    }
  }
  if (!isOn('insecure-transport'))
    throw badArgs('--insecure-transport=false is not supported yet (no TLS); leave it out');
  const timeoutMs = durationFlag('command-timeout', flag('command-timeout'));
  durationFlag('dial-timeout', flag('dial-timeout'));
  const wire = new Wire();
  const open = (endpoints: readonly string[]): Connection => {
    const connection = new Connection(wire, endpoints.map(targetOf), timeoutMs);
    connections.push(connection);
    return connection;
  };
  const endpointList = (): readonly string[] => {
    const list = flag('endpoints')
      .split(',')
      .map((one) => one.trim());
    if (list.every((one) => one === '')) throw new Exit(exitCodes.badConnection, 'etcdclient: no available endpoints');
    return list;
  };
  let shared: Connection | undefined;
  const connection = (): Connection => {
    shared ??= open(endpointList());
    return shared;
  };
  return {
    args,
    program: args.slice(args.length - behindDashes),
    sink: world.sink,
    flag,
    isOn,
    connection,
    ownConnection: () => open(endpointList()),
    connectionTo: (endpoint) => open([endpoint]),
    endpoints: async () => {
      const mayAsk = command.flags.some(({ name }) => name === 'cluster');
      if (!mayAsk || !isOn('cluster')) return endpointList();
      const { members } = await connection().unary('MemberList', {}, 'read');
      return members.flatMap((member) => member.clientURLs);
    },
    printer: (what, options) =>
      printerOf(flag('write-out'), what, options?.valueOnly === true, isOn('hex'), world.sink),
    input: () => world.input(),
    interrupted: world.interrupted,
    env: world.env,
  };
}

function targetOf(endpoint: string): string {
  const found = endpointTarget(endpoint);
  if ('mistake' in found) throw badArgs(found.mistake);
  return found.target;
}

function durationFlag(name: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined)
    throw badUsage(`invalid argument ${JSON.stringify(text)} for "--${name}" flag: use a duration such as 5s or 300ms`);
  return ms;
}

function printerOf(format: string, what: 'answer' | 'rows', valueOnly: boolean, hex: boolean, sink: Sink): Printer {
  if (valueOnly && format !== 'simple') throw badArgs('print-value-only is only for `--write-out=simple`');
  switch (format) {
    case 'simple':
      return new SimplePrinter(sink, { hex, valueOnly });
    case 'json':
      return new JsonPrinter(sink);
    case 'fields':
      return new FieldsPrinter(sink);
    case 'table':
      if (what === 'answer') throw new Exit(exitCodes.badFeature, 'table not supported as output format');
      return new TablePrinter(sink);
    default:
      throw new Exit(exitCodes.badFeature, 'unsupported output format');
  }
}

function helpText(command: Command | undefined, argv: readonly string[]): string {
  const flagLines = (flags: readonly CommandFlag[]): string =>
    flags
      .map((flag) => {
        const name = `${flag.short === undefined ? '    ' : `-${flag.short}, `}--${flag.name}=${JSON.stringify(flag.fallback)}`;
        return `  ${name.padEnd(34)} ${flag.summary}\n`;
      })
      .join('');
  const globals = `GLOBAL OPTIONS (or LEASECTL_*, ETCDCTL_* in the environment):\n${flagLines(globalFlags)}`;
  if (command !== undefined) {
    const own = command.flags.length === 0 ? '' : `OPTIONS:\n${flagLines(command.flags)}\n`;
    return `NAME:\n  ${command.name} - ${command.summary}\n\nUSAGE:\n  leasectl ${command.usage}\n\n${own}${globals}`;
  }
  const group = argv.find((word) => commands.some((one) => one.name.startsWith(`${word} `)));
  const shown = group === undefined ? commands : commands.filter((one) => one.name.startsWith(`${group} `));
  const lines = shown.map((one) => `  ${one.name.padEnd(20)} ${one.summary}\n`).join('');
  const head = 'NAME:\n  leasectl - talks to a leasehold or etcd v3 cluster\n\nUSAGE:\n  leasectl <command> [flags]\n';
  return `${head}\nCOMMANDS:\n${lines}\n${globals}`;
}
