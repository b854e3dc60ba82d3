/** Follows one kind of index as a user would, and compares both sides to the byte. */
import assert from 'node:assert/strict';
import { verify } from '../../../src/app/verification.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import { createIndex } from '../../support/bulk-load.ts';
import { readIndex } from '../../support/read-index.ts';
import type { World } from '../../support/replication-world.ts';
import { type Document, type Kind, turned } from './kind.ts';
import { mappingOf, type Place, put, rawSource, remove, text } from './raw-documents.ts';

/** What a document has to be on the follower; `copied` is undefined where it is what the leader returns. */
interface Held {
  readonly place: Place;
  readonly sent: Document;
}

/** The life of an index: half of its documents before the follow, half after, then changes and deletes; equal each time. */
export async function followAndCompare(world: World, kind: Kind): Promise<string> {
  const index = world.name('-kind');
  await createIndex(world.leader, index, { ...kind.index, settings: { number_of_shards: 1, ...kind.index?.settings } });
  const held: Held[] = [];
  const add = async (wanted: (at: number) => boolean): Promise<void> => {
    for (const [at, sent] of kind.documents.entries())
      if (wanted(at)) held[at] = { sent, place: await put(world.leader, index, sent) };
  };
  await add((at) => at % 2 === 0);
  await world.follow(index, kind.parameters);
  await world.awaitSettled(index);
  await add((at) => at % 2 === 1);
  await world.awaitSettled(index);
  await assertEqual(world, { kind, index, held });

  for (const [at, sent] of (kind.changes ?? turned(kind.documents)).entries()) {
    const place = await put(world.leader, index, sent);
    const known = held.findIndex((one) => samePlace(one.place, place));
    held[known < 0 ? held.length : known] = { place, sent };
    assert.ok(kind.changes !== undefined || known === at, `document ${at} is another one after its change`);
  }
  const gone = kind.deletes ?? (held.length > 0 ? [0] : []);
  for (const at of gone) await remove(world.leader, index, present(held[at]).place);
  await world.awaitSettled(index);
  for (const at of gone)
    assert.equal(await rawSource(world.follower, index, present(held[at]).place), undefined, 'a deleted document');
  await assertEqual(world, { kind, index, held: held.filter((_, at) => !gone.includes(at)) });
  const report = await verifyContent(world, index);
  assert.deepEqual([report.outcome, report.compared], ['equal', held.length - gone.length], JSON.stringify(report));
  return index;
}

export async function verifyContent(world: World, index: string): Promise<VerifyReport> {
  const config = await loadConfig(world.configFile);
  const request = { follower: world.followerOf(index), content: true, onProgress: () => undefined };
  return (await verify(config, request, AbortSignal.timeout(120_000))).report;
}

async function assertEqual(
  world: World,
  { kind, index, held }: { kind: Kind; index: string; held: readonly Held[] },
): Promise<void> {
  // Without content: what some documents end with does not tell where the hit goes on.
  const ours = await searched(world, 'leader', { index, filter: false });
  // From 9.2 on searches leave vectors out.
  const theirs = await searched(world, 'follower', { index, filter: { exclude_vectors: false } });
  assert.deepEqual([...theirs.keys()].toSorted(), [...ours.keys()].toSorted());
  assert.equal(ours.size, held.length);
  for (const { place, sent } of held) {
    const what = `${kind.name}: document ${place.id.slice(0, 60)}`;
    const [ourBytes, theirBytes] = await Promise.all([
      rawSource(world.leader, index, place),
      rawSource(world.follower, index, place),
    ]);
    assert.ok(ourBytes !== undefined && theirBytes !== undefined, `${what} is on both sides`);
    if (kind.rebuilt !== true)
      assertBytes(ourBytes, bytesOf(sent.source), `${what}: the leader returns it as it was sent`);
    assertBytes(theirBytes, sent.copied === undefined ? ourBytes : bytesOf(sent.copied), `${what}: GET`);
    const key = keyOf(place);
    const found = theirs.get(key);
    assert.ok(found !== undefined, `${what}: found by a search`);
    assertBytes(bytesOf(found), Buffer.from(text(theirBytes)), `${what}: search`);
  }
  assert.deepEqual(await mappingOf(world.follower, index), await mappingOf(world.leader, index));
}

/** A diff of whole documents tells nobody anything: both sides from where they part. */
function assertBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(found, expected) === 0) return;
  const parted = found.findIndex((byte, at) => byte !== expected[at]);
  const from = Math.max(0, (parted < 0 ? Math.min(found.length, expected.length) : parted) - 20);
  const shown = (bytes: Uint8Array): string => JSON.stringify(text(bytes.subarray(from, from + 120)));
  assert.fail(`${what}: byte ${from} on is ${shown(found)}, expected ${shown(expected)}`);
}

async function searched(
  world: World,
  side: 'leader' | 'follower',
  wanted: { index: string; filter: object | false },
): Promise<Map<string, string>> {
  const { url, headers } = world[side];
  const sources = new Map<string, string>();
  for await (const { id, routing, source } of readIndex({ url, headers, ...wanted })) {
    const key = keyOf({ id, routing });
    assert.ok(!sources.has(key), `${key} is there twice`);
    sources.set(key, source);
  }
  return sources;
}

function keyOf({ id, routing }: Place): string {
  return JSON.stringify(routing === undefined ? [id] : [id, routing]);
}

function samePlace(one: Place, other: Place): boolean {
  return keyOf(one) === keyOf(other);
}

function bytesOf(source: string | Uint8Array): Uint8Array {
  return typeof source === 'string' ? new TextEncoder().encode(source) : source;
}

function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}
