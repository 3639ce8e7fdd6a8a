/** The gateway's JSON: against JSON.parse, against Go's words, there and back, and in whatever pieces it comes. SEED, COUNT. */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { base64Bytes } from '../../src/gateway/base64.ts';
import { BodyBudget, JsonBody } from '../../src/gateway/body.ts';
import { jsonString } from '../../src/gateway/go-quote.ts';
import { JsonTypes } from '../../src/gateway/json-fields.ts';
import { JsonError, messageBytes } from '../../src/gateway/json-read.ts';
import { faultOf } from '../../src/gateway/json-scan.ts';
import { messageJson } from '../../src/gateway/json-write.ts';
import { declaredMethods, methodTypes, reflected } from '../../src/rpc/codec.ts';
import { RpcError } from '../../src/rpc/errors.ts';
import { randomRequest } from '../rpc/random-requests.ts';
import { bentText, randomJson } from './random-json.ts';

const seed = Number(process.env['SEED'] ?? 20_261_125);
const count = Number(process.env['COUNT'] ?? 10_000);
const types = new JsonTypes();
const names = [...declaredMethods().keys()].flatMap((name) => Object.values(methodTypes(name)));

describe('the scanner', () => {
  test(`${count} texts: what JSON.parse takes, and nothing else`, () => {
    const random = new Prng(seed, 'scan');
    for (let at = 0; at < count; at++) {
      const whole = randomJson(random, 4);
      const text = random.chance(0.5) ? whole : bentText(whole, random);
      let parsed = true;
      try {
        JSON.parse(text);
      } catch {
        parsed = false;
      }
      expect(faultOf(Buffer.from(text)) === undefined, `seed ${seed}, ${at}: ${JSON.stringify(text)}`).toBe(parsed);
    }
  });

  test.each([
    ['', 'unexpected end of JSON input'],
    ['[1', 'unexpected end of JSON input'],
    ['-', "invalid character ' ' in numeric literal"],
    ['1 2', "invalid character '2' after top-level value"],
    ['{"a":1 2', "invalid character '2' after object key:value pair"],
    ['[1 2', "invalid character '2' after array element"],
    ['{"a" 2', "invalid character '2' after object key"],
    ['{a', "invalid character 'a' looking for beginning of object key string"],
    ["'", "invalid character '\\'' looking for beginning of value"],
    ['{"a":"\n', "invalid character '\\n' in string literal"],
    ['"\\x', "invalid character 'x' in string escape code"],
    ['"\\u12g', "invalid character 'g' in \\u hexadecimal character escape"],
    ['1.x', "invalid character 'x' after decimal point in numeric literal"],
    ['1e+x', "invalid character 'x' in exponent of numeric literal"],
    ['folse', "invalid character 'o' in literal false (expecting 'a')"],
    ['é', "invalid character 'Ã' looking for beginning of value"],
  ])('Go’s words for %j', (text, reason) => {
    expect(faultOf(Buffer.from(text))).toBe(reason);
  });
});

describe('bodies', () => {
  const valuesOf = (pieces: readonly Buffer[], budget = new BodyBudget(1e9), valueBytesMax = 1e6): unknown[] => {
    const body = new JsonBody(budget, valueBytesMax);
    const found: unknown[] = [];
    const take = (ended: boolean): void => {
      for (let next = body.next(ended); next.type !== 'more'; next = body.next(ended)) {
        found.push(next.type === 'value' ? next.json.toString().trim() : next);
        if (next.type !== 'value') return;
      }
    };
    for (const piece of pieces) {
      body.push(piece);
      take(false);
    }
    take(true);
    body.close();
    return found;
  };

  test('the same values in whatever pieces they come, and no byte is kept', () => {
    const random = new Prng(seed, 'pieces');
    for (let at = 0; at < count / 20; at++) {
      const text = Array.from({ length: random.below(5) }, () => randomJson(random, 3)).join(
        random.pick(['', ' ', '\n']),
      );
      const bytes = Buffer.from(random.chance(0.8) ? text : bentText(text, random));
      const pieces: Buffer[] = [];
      for (let from = 0; from < bytes.length; ) {
        const to = from + random.between(1, 12);
        pieces.push(bytes.subarray(from, to));
        from = to;
      }
      const budget = new BodyBudget(1e9);
      // A broken body ends once; how often it is asked after that does not matter.
      const distinct = (values: unknown[]): unknown[] =>
        values.filter((value, index) => index === 0 || typeof value === 'string' || value !== values[index - 1]);
      expect(distinct(valuesOf(pieces, budget)), `seed ${seed}, ${at}: ${text}`).toEqual(distinct(valuesOf([bytes])));
      expect(budget.left).toBe(1e9);
    }
  });

  test('too long, and too much with others', () => {
    const pieces = Array.from({ length: 20 }, () => Buffer.from('[[[[['));
    expect(valuesOf(pieces, new BodyBudget(1e9), 50)[0]).toEqual({ type: 'refused', why: 'tooLong' });
    const budget = new BodyBudget(50);
    expect(valuesOf(pieces, budget)[0]).toEqual({ type: 'refused', why: 'tooMany' });
    expect(budget.left).toBe(50);
  });
});

describe('messages', () => {
  test(`${count} there and back: every bit of every field`, () => {
    const random = new Prng(seed, 'back');
    for (let at = 0; at < count; at++) {
      const name = random.pick(names);
      const message = types.named(name);
      let wire: Uint8Array;
      try {
        wire = reflected(name)
          .encode(reflected(name).decode(randomRequest(name, random)))
          .finish();
      } catch {
        continue;
      }
      const json = messageJson(message, wire);
      JSON.parse(json);
      // Printed again, as protobuf's encoding of zeros is not unique.
      expect(messageJson(message, messageBytes(message, Buffer.from(json))), `seed ${seed}, ${at}: ${name}`).toBe(json);
    }
  });

  test(`${count} bodies of any kind: an answer or an error for the client, nothing else`, () => {
    const random = new Prng(seed, 'any');
    for (let at = 0; at < count; at++) {
      const message = types.named(random.pick(names));
      const fields = message.fields.map((field) => random.pick([field.name, field.camelName]));
      const text = randomJson(random, 4, fields);
      if (faultOf(Buffer.from(text)) !== undefined) continue;
      try {
        messageBytes(message, Buffer.from(text));
      } catch (error) {
        if (!(error instanceof JsonError) && !(error instanceof RpcError))
          throw new Error(`seed ${seed}, ${at}: ${text}`, { cause: error });
      }
    }
  });

  const read = (name: string, json: string): string => {
    const message = types.named(`etcdserverpb.${name}`);
    return messageJson(message, messageBytes(message, Buffer.from(json)));
  };

  test.each([
    [
      'RangeRequest',
      '{"limit":9223372036854775807,"revision":"-9223372036854775808"}',
      '{"limit":"9223372036854775807","revision":"-9223372036854775808"}',
    ],
    ['LeaseGrantRequest', '{"TTL":" 5 ","ID":"null","ttl":7}', '{"TTL":"5"}'],
    ['MemberRemoveRequest', '{"ID":18446744073709551615}', '{"ID":"18446744073709551615"}'],
    ['RangeRequest', '{"key":[97,null,255],"sort_order":7}', '{"key":"YQD/","sort_order":7}'],
    ['RangeRequest', '{"key":"YQ==","key":"Yg==","\\u006bey":"Yw=="}', '{"key":"Yw=="}'],
    ['Compare', '{"target":"VALUE","value":null}', '{"target":"VALUE","value":""}'],
    ['Compare', '{"version":"0","lease":5}', '{"lease":"5"}'],
    ['RequestOp', '{"request_put":null,"requestRange":{}}', '{"request_range":{}}'],
    ['WatchCreateRequest', '{"filters":["NODELETE",0,null]}', '{"filters":["NODELETE","NOPUT","NOPUT"]}'],
    [
      'MemberAddRequest',
      '{"peerURLs":["a\\n<b>\\ud800","\\ud83d\\ude00"]}',
      '{"peerURLs":["a\\n\\u003cb\\u003e\ufffd","\u{1f600}"]}',
    ],
    ['PutRequest', ' null', '{}'],
    ['PutRequest', '{"prev_kv":null,"x":{"y":["}","\\"]",{"z":[]}]},"lease":3}', '{"lease":"3"}'],
  ])('%s %s', (name, json, same) => {
    expect(read(name, json)).toBe(same);
  });

  const int64 = 'Go value of type int64';
  test.each([
    ['RangeRequest', '{"limit":1.0}', `json: cannot unmarshal number 1.0 into ${int64}`],
    [
      'RangeRequest',
      '{"limit":9223372036854775808}',
      `json: cannot unmarshal number 9223372036854775808 into ${int64}`,
    ],
    ['RangeRequest', '{"limit":true}', `json: cannot unmarshal bool into ${int64}`],
    ['RangeRequest', '{"limit":"{}"}', `json: cannot unmarshal object into ${int64}`],
    ['RangeRequest', '{"limit":"1 2"}', "invalid character '2' after top-level value"],
    ['RangeRequest', '{"limit":""}', 'unexpected end of JSON input'],
    ['MemberRemoveRequest', '{"ID":-1}', 'json: cannot unmarshal number -1 into Go value of type uint64'],
    ['RangeRequest', '{"key":[256]}', 'json: cannot unmarshal number 256 into Go value of type uint8'],
    ['RangeRequest', '{"key":{}}', 'json: cannot unmarshal object into Go value of type []uint8'],
    ['RangeRequest', '{"serializable":"true"}', 'json: cannot unmarshal string into Go value of type bool'],
    ['RangeRequest', '{"sort_order":"up"}', 'unknown value "up" for enum etcdserverpb.RangeRequest_SortOrder'],
    [
      'RangeRequest',
      '{"sort_order":[]}',
      'json: cannot unmarshal array into Go value of type etcdserverpb.RangeRequest_SortOrder',
    ],
    ['RangeRequest', '{"serializable":1,"limit":"x","key":"?"}', 'illegal base64 data at input byte 0'],
    [
      'WatchCreateRequest',
      '{"filters":"NOPUT"}',
      'invalid target "slice" for enum etcdserverpb.WatchCreateRequest_FilterType',
    ],
    ['TxnRequest', '{"success":{}}', 'json: cannot unmarshal object into Go value of type []json.RawMessage'],
    ['TxnRequest', '{"success":[7]}', 'json: cannot unmarshal number into Go value of type map[string]json.RawMessage'],
    ['TxnRequest', '[]', 'json: cannot unmarshal array into Go value of type map[string]json.RawMessage'],
    ['MemberAddRequest', '{"peerURLs":[5]}', 'json: cannot unmarshal number into Go value of type string'],
    ['AlarmRequest', '{"alarm":"X"}', 'unknown value "X" for enum etcdserverpb.AlarmType'],
  ])('%s %s is refused in Go’s words', (name, json, reason) => {
    expect(() => read(name, json)).toThrow(reason);
  });

  test('a large body that nests deeply is walked once', () => {
    const inner = `{"x":[${'1,'.repeat(1_000_000)}1]}`;
    const deep = `${'{"success":[{"request_txn":'.repeat(40)}${inner}${'}]}'.repeat(40)}`;
    const began = performance.now();
    expect(() => read('TxnRequest', deep)).not.toThrow();
    // Once takes some 50 ms, once for every level a second and more.
    expect(performance.now() - began).toBeLessThan(700);
  });
});

test.each([
  ['YQ==', 'a'],
  ['YQ', 'a'],
  ['_-8=', '\xff\xef'],
  ['_-8', '\xff\xef'],
  ['Y\r\nQ\n==\n', 'a'],
  ['', ''],
  ['YQ=', 3],
  ['Y', 0],
  ['YWJj=', 4],
  ['YQ==x', 4],
  ['YQ=x', 2],
  ['YW?j', 2],
  ['é', 0],
  ['=', 0],
  ['YQ-==', 2],
  ['-ay8x', 0],
  ['YQ==YQ', 4],
])('base64 of %j', (text, bytes) => {
  const read = base64Bytes(text);
  expect(typeof read === 'number' ? read : read.toString('latin1')).toBe(bytes);
});

test('strings are escaped as json.Marshal does', () => {
  expect(jsonString('a"\\/\b\f\n\r\t\x01\x7f<>&\u2028é\u{1f600}\ud800')).toBe(
    '"a\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0001\x7f\\u003c\\u003e\\u0026\\u2028é\u{1f600}\\ufffd"',
  );
});
