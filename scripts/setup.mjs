#!/usr/bin/env node
/**
 * Makes a fresh clone ready, on a bare Node: checks the Node version, installs the packages the lockfile names when they
 * are not there (npm's install scripts stay off; nothing here needs them), and with `--build` compiles `src/` to `dist/`
 * when a source has changed since. Prints one line per step that had work to do, and nothing else. Plain JavaScript,
 * because it runs before anything is installed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The oldest Node that runs us: the first with everything we use of HTTP/2 and `zlib.crc32` fixed. */
const oldestNode = [20, 19];

/** What to try when a step fails. */
const remedies = {
  install: 'is the npm registry reachable? Try by hand: npm ci --ignore-scripts',
  build: 'the sources do not compile; the lines above say where',
};

const flags = process.argv.slice(2);
if (flags.includes('--help')) {
  process.stdout.write(
    'node scripts/setup.mjs [--build] [--force]\n' +
      '  checks Node, installs what package-lock.json names if it is not there\n' +
      '  --build  also compiles src/ to dist/ if a source changed\n' +
      '  --force  compiles even if none did\n',
  );
  process.exit(0);
}
for (const flag of flags) if (flag !== '--build' && flag !== '--force') fail(`setup: unknown flag ${flag}; see --help`);

checkNode();
await installPackages();
if (flags.includes('--build')) await build(flags.includes('--force'));

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  fail(
    `setup: this is Node ${process.versions.node}; leasehold needs ${oldestNode.join('.')} or newer (https://nodejs.org)`,
  );
}

/**
 * `npm ci`, or where it will not have the lockfile, `npm install` without saving. npm ci refuses a lockfile that was made
 * where the registry lacks the optional packages of other platforms; npm install passes over these, and takes every version
 * from the lockfile all the same (checked below).
 */
async function installPackages() {
  const missing = firstMissingPackage();
  if (missing === undefined) return;
  const npm = npmCommand();
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--no-progress'];
  const what = `packages of package-lock.json (${missing})`;
  const outOfSync = (output) => output.includes('EUSAGE');
  const clean = await step('install', what, npm.command, [...npm.args, 'ci', ...quiet], outOfSync);
  if (!clean)
    await step('install', 'again, without npm ci', npm.command, [...npm.args, 'install', '--no-save', ...quiet]);
  const still = firstMissingPackage();
  if (still !== undefined) fail(`setup: npm ended, but ${still}; try by hand: npm ci --ignore-scripts`);
}

/**
 * Why an install is due, or undefined. npm leaves a lockfile of what it really installed in `node_modules`, written last:
 * every package we lock must be there in that version, optional ones (other platforms) excepted.
 */
function firstMissingPackage() {
  const installedPath = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return 'none are installed yet';
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages ?? {};
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages ?? {};
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || entry.optional || entry.devOptional) continue;
    if (installed[path] === undefined) return `${path} is missing`;
    if (installed[path].version !== entry.version) {
      return `${path} is ${installed[path].version}, the lockfile says ${entry.version}`;
    }
  }
  return undefined;
}

/** npm as the npm that started us, else the one on the path. */
function npmCommand() {
  const cli = process.env.npm_execpath;
  if (cli !== undefined && /npm-cli\.c?js$/.test(cli)) return { command: process.execPath, args: [cli] };
  return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: [] };
}

async function build(force) {
  const dist = join(root, 'dist');
  const stampPath = join(dist, '.stamp');
  const sources = sourceFiles();
  const digest = digestOf(sources);
  if (!force && existsSync(stampPath) && readFileSync(stampPath, 'utf8') === digest) return;
  rmSync(stampPath, { force: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await step('build', 'src/ to dist/', process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')]);
  removeOrphans(dist, sources);
  for (const name of readdirSync(join(dist, 'bin')))
    if (name.endsWith('.js')) chmodSync(join(dist, 'bin', name), 0o755);
  writeFileSync(stampPath, digest);
}

/** Everything the build reads, sorted, relative to the root. */
function sourceFiles() {
  const found = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith('.ts')) found.push(relative(root, join(entry.parentPath, entry.name)));
  }
  return found.sort();
}

function digestOf(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

/** Compiled files whose source is gone would still be imported by somebody's mistake: away with them. */
function removeOrphans(dist, sources) {
  mkdirSync(dist, { recursive: true });
  const kept = new Set(sources.map((file) => relative('src', file).replace(/\.ts$/, '')));
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const stem = relative(dist, path).replace(/(\.d\.ts|\.js)(\.map)?$/, '');
    if (stem !== relative(dist, path) && !kept.has(stem)) rmSync(path);
  }
}

/**
 * Runs a command quietly: its output is shown only if it fails, which ends the setup unless `forgive(output)`. Resolves to
 * whether it succeeded. Counts seconds on a terminal.
 */
function step(name, what, command, args, forgive = () => false) {
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  const live = process.stderr.isTTY === true;
  if (!live) process.stderr.write(`${name}: ${what} …\n`);
  const timer = live ? setInterval(() => process.stderr.write(`\r${name}: ${what} … ${seconds()} `), 200) : undefined;
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    const end = (why) => {
      clearInterval(timer);
      if (live) process.stderr.write('\r\x1b[K');
      if (why === undefined) process.stderr.write(`${name}: done in ${seconds()}\n`);
      else if (!forgive(output))
        fail(`${output.trimEnd()}\nsetup: ${name} failed (${why}); ${remedies[name]}`.trimStart());
      resolve(why === undefined);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(code === 0 ? undefined : `exit ${code ?? signal}`));
  });
}

function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
