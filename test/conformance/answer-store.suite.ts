import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AnswerStore } from '../../src/ports/answer-store.ts';

export interface AnswerStoreBench extends AsyncDisposable {
  readonly store: AnswerStore;
  /** The same store, opened as another process would. */
  another(): Promise<AnswerStore>;
}

export function testAnswerStore(name: string, create: () => Promise<AnswerStoreBench>): void {
  const using = (work: (bench: AnswerStoreBench) => Promise<void>) => async () => {
    await using bench = await create();
    await work(bench);
  };

  describe(`answer store: ${name}`, () => {
    it(
      'gives an id to the first who claims it, and tells everybody else what it stands for, and since when',
      using(async ({ store, another }) => {
        const before = Date.now();
        const first = await store.claim('c1', 'pause');
        assert.deepEqual([first.first, first.command], [true, 'pause']);
        assert.ok(first.claimedAtMs >= before - 1000 && first.claimedAtMs <= Date.now() + 1000);
        for (const other of [store, await another()])
          assert.deepEqual(await other.claim('c1', 'resume'), { ...first, first: false });
        assert.equal((await store.claim('c2', 'resume')).first, true);
      }),
    );

    it(
      'lets one of many claim an id at once',
      using(async ({ store, another }) => {
        const other = await another();
        const claims = await Promise.all(
          Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? store : other).claim('c1', 'pause')),
        );
        assert.equal(claims.filter(({ first }) => first).length, 1);
      }),
    );

    it(
      'gives the pages of an answer to everybody, by ids of any characters',
      using(async ({ store, another }) => {
        for (const id of ['c1', 'с пробелом . * >', '"'.repeat(128)]) {
          await store.claim(id, 'pause');
          assert.equal(await store.page(id, 0), undefined);
          await store.keep(id, 1, ['two']);
          assert.deepEqual([await store.page(id, 0), await store.page(id, 1)], [undefined, 'two']);
          await store.keep(id, 0, [`${id} one`, 'two']);
          const other = await another();
          assert.deepEqual(
            [await other.page(id, 0), await other.page(id, 1), await other.page(id, 2)],
            [`${id} one`, 'two', undefined],
          );
        }
      }),
    );
  });
}
