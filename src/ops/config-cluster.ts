/**
 * The list of first members, and every way it can be wrong. Two members of one list with different opinions about it would
 * never form a cluster, so the checks are strict.
 */
import { ConfigMistake } from './config-mistake.ts';
import { advertisedUrls, sameUrl } from './config-urls.ts';

/** One of the cluster's first members. */
export interface InitialMember {
  readonly name: string;
  readonly peerUrl: string;
}

const flag = 'initial-cluster';

/** Reads `n1=http://host:port,…`; empty means this member alone. */
export function readInitialCluster(text: string, name: string, advertised: string): readonly InitialMember[] {
  if (text === '') return [{ name, peerUrl: advertised }];
  const members = text.split(',').map((part) => readMember(part.trim()));
  for (const [i, member] of members.entries()) {
    const earlier = members.slice(0, i);
    if (earlier.some((other) => other.name === member.name)) {
      throw new ConfigMistake(flag, `names ${member.name} twice; every member has its own name and one peer URL`);
    }
    const twin = earlier.find((other) => sameUrl(other.peerUrl, member.peerUrl));
    if (twin !== undefined)
      throw new ConfigMistake(flag, `gives ${twin.name} and ${member.name} the same URL ${member.peerUrl}`);
  }
  checkSelf(members, name, advertised);
  if (members.length % 2 === 0) {
    const sentence = `names ${members.length} members; an even number survives no more failures than one less`;
    throw new ConfigMistake(flag, `${sentence}: use ${members.length - 1} or ${members.length + 1}`);
  }
  return members.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readMember(part: string): InitialMember {
  const equals = part.indexOf('=');
  if (equals <= 0) throw new ConfigMistake(flag, `${JSON.stringify(part)} is not name=http://host:port`);
  const [peerUrl = ''] = advertisedUrls(flag, part.slice(equals + 1));
  if (peerUrl === '') throw new ConfigMistake(flag, `${JSON.stringify(part)} is not name=http://host:port`);
  return { name: part.slice(0, equals), peerUrl };
}

function checkSelf(members: readonly InitialMember[], name: string, advertised: string): void {
  const self = members.find((member) => member.name === name);
  if (self === undefined) {
    const names = members.map((member) => member.name).join(', ');
    throw new ConfigMistake(flag, `does not name this member: --name is ${name}, the list has ${names}`);
  }
  if (sameUrl(self.peerUrl, advertised)) return;
  const sentence = `says ${name} is at ${self.peerUrl}, but this member advertises ${advertised}`;
  throw new ConfigMistake(flag, `${sentence}; make it and --initial-advertise-peer-urls (or --listen-peer-urls) agree`);
}

/** Reads `n2=http://host:port,…`: other places to dial members of the list at. */
export function readPeerDial(text: string, members: readonly InitialMember[]): ReadonlyMap<string, string> {
  const dial = new Map<string, string>();
  for (const part of text === '' ? [] : text.split(',')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals).trim();
    if (!members.some((member) => member.name === name)) {
      throw new ConfigMistake('peer-dial', `${JSON.stringify(part)} does not name a member of --initial-cluster`);
    }
    const [url = ''] = advertisedUrls('peer-dial', part.slice(equals + 1));
    dial.set(name, url);
  }
  return dial;
}
