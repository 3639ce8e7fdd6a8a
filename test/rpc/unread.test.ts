/** Who does not read: refused beyond his share, cut when all together keep too much; who reads notices nothing. */
import { expect, test } from 'vitest';
import { type Keeper, Unread } from '../../src/rpc/unread.ts';

class Toy implements Keeper {
  bytes = 0;
  asked = 0;
  wasCut = false;

  kept(): number {
    this.asked++;
    return this.bytes;
  }
  cut(): void {
    this.wasCut = true;
    this.bytes = 0;
  }
}

const made = (perConnectionBytesMax: number, bytesMax: number, count: number): [Unread, Toy[]] => {
  const unread = new Unread({ perConnectionBytesMax, bytesMax });
  const toys = Array.from({ length: count }, () => new Toy());
  for (const toy of toys) unread.add(toy);
  return [unread, toys];
};
/** Lets `bytes` through, if they may be, and leaves them unread. */
const leave = (unread: Unread, toy: Toy, bytes: number): boolean => {
  const admitted = unread.admit(toy, bytes);
  if (admitted) toy.bytes += bytes;
  return admitted;
};

test('a connection that takes nothing is refused at its limit, and served again once it reads', () => {
  const [unread, [toy]] = made(100, 1_000, 1) as [Unread, [Toy]];
  expect([40, 40, 40, 20, 1].map((bytes) => leave(unread, toy, bytes))).toEqual([true, true, false, true, false]);
  toy.bytes = 50;
  expect(leave(unread, toy, 50)).toBe(true);
  expect(leave(unread, toy, 1)).toBe(false);
});

test('one answer by itself may be of any size', () => {
  const [unread, [toy]] = made(100, 1_000, 1) as [Unread, [Toy]];
  expect(leave(unread, toy, 5_000)).toBe(true);
  expect(toy.wasCut).toBe(false);
  const [other, [reader]] = made(100, 10_000, 1) as [Unread, [Toy]];
  expect(leave(other, reader, 5_000)).toBe(true);
  expect(leave(other, reader, 1)).toBe(false);
  reader.bytes = 0;
  expect(leave(other, reader, 5_000)).toBe(true);
});

test('all together: whoever keeps most is cut, the others are not', () => {
  const [unread, toys] = made(400, 1_000, 4);
  const [hog, second, small, reader] = toys as [Toy, Toy, Toy, Toy];
  leave(unread, hog, 400);
  leave(unread, second, 390);
  leave(unread, small, 10);
  for (let at = 0; at < 10; at++) {
    expect(leave(unread, reader, 100)).toBe(true);
    reader.bytes = 0;
  }
  expect(toys.map(({ wasCut }) => wasCut)).toEqual([false, false, false, false]);
  expect(leave(unread, reader, 300)).toBe(true);
  expect(toys.map(({ wasCut }) => wasCut)).toEqual([true, false, false, false]);
});

test('nobody is asked while little is let through', () => {
  const [unread, [toy]] = made(1_000_000, 10_000_000, 1) as [Unread, [Toy]];
  for (let at = 0; at < 100_000; at++) unread.admit(toy, 100);
  expect(toy.asked).toBeLessThan(15);
});
