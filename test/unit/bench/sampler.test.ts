import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSampler } from '../../../bench/sampler.ts';
import { until } from '../../support/until.ts';

function untilTrue(what: string, holds: () => boolean): Promise<true> {
  return until(what, 10_000, async () => holds() || undefined);
}

test('what is shown is asked for no more, and what is not shown is told', async () => {
  const shown = new Set<string>();
  const asked: (readonly string[])[] = [];
  const sampler = startSampler({
    pollMs: 1,
    look: async (ids) => {
      asked.push(ids);
      return new Set(ids.filter((id) => shown.has(id)));
    },
  });
  sampler.watch('a', performance.now());
  sampler.watch('b', performance.now());
  shown.add('a');
  await untilTrue('a is seen', () => sampler.waiting() === 1);
  const looks = asked.length;
  await untilTrue('it looks again', () => asked.length > looks);
  const { samples, unseen } = await sampler.stop();
  assert.deepEqual(asked[0], ['a', 'b']);
  assert.deepEqual(asked.at(-1), ['b']);
  assert.deepEqual({ samples: samples.samples, unseen }, { samples: 1, unseen: 1 });
});

test('a time counts from the acknowledgement', async () => {
  const sampler = startSampler({ pollMs: 1, look: async (ids) => new Set(ids) });
  sampler.watch('a', performance.now() - 5_000);
  await untilTrue('it is seen', () => sampler.waiting() === 0);
  const { samples } = await sampler.stop();
  assert.ok(samples.p50Ms >= 5_000);
});

test('a look that fails is told at the end', async () => {
  let looks = 0;
  const sampler = startSampler({
    pollMs: 1,
    look: async () => {
      looks += 1;
      throw new Error('the follower is away');
    },
  });
  sampler.watch('a', performance.now());
  await untilTrue('it looks', () => looks > 0);
  await assert.rejects(sampler.stop(), /the follower is away/);
});
