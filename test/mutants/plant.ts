/**
 * Puts a mutant into a copy of the tree: sources, tests and what they import, in a directory of its own outside the repository.
 * Owns the rule that a patch fits or is an error: each `find` stands exactly once in its file.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutant.ts';

/** The repository's root. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** What a hunt needs to run. */
const copied = ['src', 'test', 'proto', 'package.json', 'tsconfig.json'];

/** Why the mutant cannot be planted, or the changed files by path. */
export function patched(mutant: Mutant, read: (file: string) => string): ReadonlyMap<string, string> | Error {
  const files = new Map<string, string>();
  for (const { file, find, replace } of mutant.edits) {
    let text: string;
    try {
      text = files.get(file) ?? read(file);
    } catch {
      return new Error(`${mutant.id}: ${file} is gone`);
    }
    const found = text.split(find).length - 1;
    if (found !== 1) return new Error(`${mutant.id}: stands ${found} times in ${file}, not once: ${firstLine(find)}`);
    const after = text.replace(find, () => replace);
    if (after === text) return new Error(`${mutant.id}: changes nothing in ${file}`);
    files.set(file, after);
  }
  return files;
}

/** Reads a file of the repository. */
export function readSource(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** A copy of the tree in which mutants grow one after the other. */
export class Bed {
  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'leasehold-mutant-'));
    for (const name of copied) cpSync(join(root, name), join(this.path, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(this.path, 'node_modules'));
  }

  /** Plants a mutant; call what it returns to take it out again. */
  plant(mutant: Mutant): (() => void) | Error {
    const files = patched(mutant, (file) => this.#read(file));
    if (files instanceof Error) return files;
    const before = [...files.keys()].map((file) => [file, this.#read(file)] as const);
    for (const [file, text] of files) writeFileSync(join(this.path, file), text);
    return () => {
      for (const [file, text] of before) writeFileSync(join(this.path, file), text);
    };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  /** From the copy: the tree itself may change while mutants are hunted. */
  #read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
