/** Answers in pages, each from another supervisor, while a test decides who owns what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { IndexStatus, Page, QueryPages } from '../../../src/domain/commands.ts';
import { EVERY_SLOT } from '../../support/fixed-ownership.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { type PageWorld, pageWorld, type PausedIndex, ref, TOLD_BY_OWNER } from './page-world.ts';

const NAMES = ['ada', 'bea', 'cyd'];

/** Some names are the beginning of others, and go on with what sorts before a slash. */
const indexName = fc
  .tuple(fc.constantFrom('a', 'b', 'a-b', 'b.c'), fc.constantFrom('', '-', '.', '0', '-0', '~', 'é', '東'))
  .map((parts) => parts.join(''));
const anIndex = fc.record({ index: indexName, shards: fc.integer({ min: 1, max: 5 }), quarantined: fc.nat(3) });
const indices = fc.uniqueArray(anIndex, { selector: ({ index }) => index, maxLength: 20 });
const pageBytes = fc.constantFrom(1, 2_000, 5_000, 10_000, 100_000);
const setting = fc.record({
  indices,
  /** So many of them cannot be read. */
  spoiled: fc.nat(2),
  seed: fc.nat(),
  maxBytes: pageBytes,
  heedless: fc.uniqueArray(fc.constantFrom(...NAMES)),
});

type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

/** Slots are dealt out to the supervisors, and some to nobody. */
function deal({ owners }: PageWorld, random: () => number, slots: readonly number[]): void {
  const dealt = Map.groupBy(slots, () => Math.floor(random() * (NAMES.length + 0.2)));
  NAMES.forEach((name, at) => owners.assign(name, dealt.get(at) ?? [], true));
}

async function settled({ bench }: PageWorld): Promise<void> {
  await bench.run(bench.world.clock.sleep(50));
}

/** Every page from another supervisor. */
async function everyPage<T>(
  world: PageWorld,
  ask: (pages: QueryPages, cursor: string | undefined, asked: string) => Promise<Page<T>>,
  between: () => Promise<void> = async () => undefined,
): Promise<readonly T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let at = 0; ; at += 1) {
    assert.ok(at < 1_000, 'it comes to an end');
    const asked = NAMES[at % NAMES.length] ?? '';
    const page = await world.bench.run(ask(world.pagesOf(asked), cursor, asked));
    items.push(...page.items);
    if (page.next === undefined) return items;
    assert.ok(cursor === undefined || page.next > cursor, 'it goes on');
    cursor = page.next;
    await between();
  }
}

const shardKey = (shard: number): string => String(shard).padStart(4, '0');
const rowsOf = ({ follower, pairs }: IndexStatus): readonly string[] =>
  pairs.length === 0 ? [follower.index] : pairs.map(({ shard }) => `${follower.index}/${shardKey(shard)}`);
const allRows = ({ index, shards }: PausedIndex): readonly string[] =>
  Array.from({ length: shards }, (_, shard) => `${index}/${shardKey(shard)}`);

async function opened({ indices: all, seed, heedless }: Setting): Promise<PageWorld> {
  const world = await pageWorld({ names: NAMES, heedless: new Set(heedless) });
  deal(world, seededRandom(seed), EVERY_SLOT);
  for (const one of all) await world.add(one);
  await settled(world);
  return world;
}

test('pages of every supervisor are together everything once, in order, as its owner tells it', async () => {
  await fc.assert(
    fc.asyncProperty(setting, async (given) => {
      const { indices: all, spoiled, maxBytes, heedless } = given;
      const world = await opened(given);
      const [bad, good] = [all.slice(0, spoiled), all.slice(spoiled)];
      for (const { index } of bad) world.spoil(index);
      await settled(world);
      const status = await everyPage(world, async (pages, cursor, asked) => {
        const page = await pages.status({}, { cursor, maxBytes });
        for (const { follower, owner, attempt } of page.items.flatMap(({ pairs }) => pairs)) {
          const name = world.ownerOf(follower);
          assert.equal(owner?.supervisor, name);
          assert.equal(attempt, name === asked || name === undefined ? 0 : TOLD_BY_OWNER);
        }
        return page;
      });
      const rows = [...bad.map(({ index }) => index), ...good.flatMap(allRows)].toSorted();
      assert.deepEqual(status.flatMap(rowsOf), rows);
      // Of pages of one row each of two others sends one, and an index may end one early.
      if (heedless.length === 0)
        assert.ok(world.sent.rows <= 4 * rows.length, `${world.sent.rows} sent for ${rows.length}`);
      const list = await everyPage(world, (pages, cursor) => pages.list({ cursor, maxBytes }));
      assert.deepEqual(
        list.map(({ follower }) => follower.index),
        all.map(({ index }) => index).toSorted(),
      );
      const entries = await everyPage(world, (pages, cursor) => pages.quarantine({}, { cursor, maxBytes }));
      assert.deepEqual(
        entries.map(({ follower, shard, seqNo }) => `${follower.index}/${shardKey(shard)}/${seqNo}`),
        good
          .flatMap(({ index, quarantined }) =>
            Array.from({ length: quarantined }, (_, seqNo) => `${index}/${shardKey(0)}/${seqNo}`),
          )
          .toSorted(),
      );
    }),
    { numRuns: 30 },
  );
});

test('what comes, goes or moves between two pages moves nothing else', async () => {
  const changing = fc.record({ setting, going: fc.nat(3), coming: fc.nat(3) });
  await fc.assert(
    fc.asyncProperty(changing, async ({ setting: given, going, coming }) => {
      const later = given.indices.slice(0, coming);
      const [goes, stays] = [given.indices.slice(coming, coming + going), given.indices.slice(coming + going)];
      const world = await opened({ ...given, indices: [...goes, ...stays] });
      const random = seededRandom(given.seed);
      const changes = [
        ...later.map((one) => () => world.add(one)),
        ...goes.map(
          ({ index }) =>
            async () =>
              world.spoil(index),
        ),
      ];
      const between = async (): Promise<void> => {
        deal(
          world,
          random,
          EVERY_SLOT.filter(() => random() < 0.2),
        );
        await changes.splice(Math.floor(random() * changes.length), 1)[0]?.();
        await settled(world);
      };
      const { maxBytes } = given;
      const status = await everyPage(world, (pages, cursor) => pages.status({}, { cursor, maxBytes }), between);
      const rows = status.flatMap(rowsOf);
      const stable = new Set(stays.flatMap(allRows));
      assert.deepEqual(
        rows.filter((row) => stable.has(row)),
        [...stable].toSorted(),
      );
      assert.deepEqual(rows, [...new Set(rows)].toSorted());
    }),
    { numRuns: 30 },
  );
});

/** 150 rows of three supervisors. */
async function manyRows(
  options: { readonly silent?: ReadonlySet<string>; readonly heedless?: ReadonlySet<string> } = {},
) {
  const world = await pageWorld({ names: NAMES, ...options });
  NAMES.forEach((name, at) =>
    world.owners.assign(
      name,
      EVERY_SLOT.filter((slot) => slot % NAMES.length === at),
      true,
    ),
  );
  const all = Array.from({ length: 75 }, (_, at) => ({
    index: `logs-${String(at).padStart(2, '0')}`,
    shards: 2,
    quarantined: 0,
  }));
  for (const one of all) await world.add(one);
  await settled(world);
  return { ...world, rows: all.flatMap(allRows) };
}

const PAGE_BYTES = 30_000;

test('each supervisor sends about its share of every page', async () => {
  const { rows, ...world } = await manyRows();
  let pages = 0;
  const status = await everyPage(world, (asked, cursor) => {
    pages += 1;
    return asked.status({}, { cursor, maxBytes: PAGE_BYTES });
  });
  assert.deepEqual(status.flatMap(rowsOf), rows);
  assert.ok(world.sent.rows < 1.25 * rows.length, `${world.sent.rows} rows were sent`);
  assert.ok(pages <= 10, `${pages} pages`);
});

test('one that does not heed what part of a page is wanted is merged all the same', async () => {
  const { rows, ...world } = await manyRows({ heedless: new Set(['bea', 'cyd']) });
  const ask = (asked: QueryPages, cursor: string | undefined) => asked.status({}, { cursor, maxBytes: PAGE_BYTES });
  assert.deepEqual((await everyPage(world, ask)).flatMap(rowsOf), rows);
});

test('for one that does not answer the journal does, page by page, and the log says so', async () => {
  const { rows, ...world } = await manyRows({ silent: new Set(['cyd']) });
  const ask = async (_: QueryPages, cursor: string | undefined): Promise<Page<IndexStatus>> =>
    world.pagesOf('ada').status({}, { cursor, maxBytes: PAGE_BYTES });
  const status = await everyPage(world, ask);
  assert.deepEqual(status.flatMap(rowsOf), rows);
  for (const { owner, attempt } of status.flatMap(({ pairs }) => pairs))
    assert.equal(attempt, owner?.supervisor === 'bea' ? TOLD_BY_OWNER : 0);
  const { narrator } = world.bench.world;
  assert.ok(narrator.logs.some(({ message }) => message === 'a supervisor does not answer for its shards'));
});

test('a pattern and a shard are heeded on every page', async () => {
  const { rows, ...world } = await manyRows();
  const status = await everyPage(world, (asked, cursor) =>
    asked.status({ follower: ref('logs-3*'), shard: 1 }, { cursor, maxBytes: 2_000 }),
  );
  assert.deepEqual(
    status.flatMap(rowsOf),
    rows.filter((row) => /^logs-3.\/0001$/.test(row)),
  );
});
