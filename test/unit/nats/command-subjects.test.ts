import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { commandEndpoints, targetOf, targetSubject } from '../../../src/infra/nats/command-subjects.ts';
import { COMMAND_NAMES } from '../../../src/ports/command-transport.ts';

it('reads from a subject the target that was written into it, whatever the index is called', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
      fc.option(fc.nat(1023), { nil: undefined }),
      (index, shard) => {
        const follower = { cluster: 'replica', index };
        const subject = targetSubject('slipstream', 'pause', follower, shard);
        assert.equal(subject.split('.').length, shard === undefined ? 5 : 6);
        assert.match(subject, /^[\w=.-]+$/);
        assert.deepEqual(targetOf('slipstream', subject), shard === undefined ? { follower } : { follower, shard });
      },
    ),
  );
});

it('reads a subject under a prefix of several tokens', () => {
  const follower = { cluster: 'replica', index: 'logs.2024' };
  assert.equal(
    targetSubject('eu.prod.slipstream', 'status', follower, 7),
    'eu.prod.slipstream.pair.replica.logs=2E2024.7.status',
  );
  assert.deepEqual(targetOf('eu.prod.slipstream', 'eu.prod.slipstream.pair.replica.logs=2E2024.7.status'), {
    follower,
    shard: 7,
  });
  assert.equal(targetOf('slipstream', 'slipstream.cmd.pause'), undefined);
});

it('gives a shard that is no number as none that a command accepts', () => {
  assert.deepEqual(targetOf('s', 's.pair.replica.orders.first.pause'), {
    follower: { cluster: 'replica', index: 'orders' },
    shard: Number.NaN,
  });
});

it('listens on no subject twice, and names every endpoint apart', () => {
  const endpoints = commandEndpoints('slipstream', COMMAND_NAMES);
  assert.equal(new Set(endpoints.map(({ subject }) => subject)).size, endpoints.length);
  assert.equal(new Set(endpoints.map(({ endpoint }) => endpoint)).size, endpoints.length);
});
