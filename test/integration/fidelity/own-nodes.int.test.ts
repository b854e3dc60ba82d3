/** What takes nodes of its own: a follower with little memory, and fields whose embeddings another server computes. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { bulkVerdict } from '../../../src/domain/bulk-verdict.ts';
import { Failed } from '../../../src/domain/failure.ts';
import { type TooLarge, tooLargeAlone } from '../../../src/domain/too-large.ts';
import { openCluster } from '../../../src/infra/search/open-cluster.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import type { PartName } from '../../../stack/parts.ts';
import { ADDRESS_VARIABLES, type Stack, startStack, withoutAddresses } from '../../../stack/local-stack.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { followAndCompare, verifyContent } from './following.ts';
import { rawSource, text } from './raw-documents.ts';

/** A tenth of it, 51 MB, is for all writes at once, and a document takes five times its size of that. */
const FOLLOWER_HEAP_MB = 512;
const MB = 1024 * 1024;

describe('a follower with nodes of its own', () => {
  let stack: Stack;
  let world: World;
  before(async () => {
    const parts: readonly PartName[] = bySize<readonly PartName[]>({
      short: ['follower'],
      full: ['leader', 'follower'],
    });
    const environment = withoutAddresses(process.env, parts);
    const follower = { heapMb: FOLLOWER_HEAP_MB, settings: { 'http.max_content_length': '30mb' } };
    stack = await startStack({ parts, environment, follower, log: (line) => console.log(line) });
    const leader = stack.env[ADDRESS_VARIABLES.leader];
    world = await openWorld({
      ...(leader === undefined ? {} : { leader: { url: leader } }),
      follower: { url: stack.server('follower').url },
    });
    await world.start();
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await stack?.stop();
  });

  const document = (megabytes: number): string => `{"text":"${'x'.repeat(Math.floor(megabytes * MB))}"}`;
  const unread = { mappings: { enabled: false } };

  it('takes documents up to a fiftieth of its memory', async () => {
    const documents = [10.1, 9.5].map((size) => ({ id: `of ${size} MB`, source: document(size) }));
    await followAndCompare(world, { name: 'large documents', index: unread, documents, deletes: [1] });
  });

  it('says of a larger one that it never will, and by which setting', async () => {
    const index = world.name('-too-large');
    await world.follower.ok('PUT', `/${index}`, unread);
    const cluster = openCluster({
      name: 'right',
      url: world.follower.url,
      auth: { kind: 'none' },
      caPem: undefined,
      compression: false,
      requestTimeoutMs: 60_000,
      maxConnections: 2,
      clock: systemClock,
    });
    const send = async (megabytes: number): Promise<TooLarge | undefined | 'written'> => {
      const body = new TextEncoder().encode(`{"index":{"_id":"1"}}\n${document(megabytes)}\n`);
      const signal = AbortSignal.timeout(60_000);
      try {
        const [item] = await cluster.follower.bulk({ index, body, operations: 1 }, signal);
        assert.ok(item !== undefined);
        if (bulkVerdict(item) === 'written') return 'written';
        return tooLargeAlone({ status: item.status, reason: item.errorReason ?? '', bodyBytes: body.length });
      } catch (thrown) {
        assert.ok(thrown instanceof Failed);
        const { status = 0, reason } = thrown.failure;
        return tooLargeAlone({ status, reason, bodyBytes: body.length });
      }
    };
    try {
      assert.equal(await send(10.1), 'written');
      for (const [megabytes, setting] of [
        [10.4, 'indexing_pressure.memory.limit'],
        [13, 'indexing_pressure.memory.limit'],
        [29, 'indexing_pressure.memory.limit'],
        [31, 'http.max_content_length'],
        [80, 'http.max_content_length'],
      ] as const) {
        const answer = await send(megabytes);
        assert.ok(answer !== undefined && answer !== 'written', `${megabytes} MB`);
        assert.equal(answer.setting, setting, `${megabytes} MB`);
      }
    } finally {
      await cluster.close();
    }
  });

  if (bySize({ short: false, full: true }))
    it('is given embeddings and computes none; the texts are the same to the byte', async () => {
      let computed = 0;
      const embed = async (request: IncomingMessage): Promise<string> => {
        const { input } = JSON.parse(await textOf(request)) as { input: string | readonly string[] };
        const data = [input].flat().map((words, at) => {
          computed += 1;
          return { object: 'embedding', index: at, embedding: [0.1 + computed / 100, 0.2, words.length / 10] };
        });
        return JSON.stringify({ object: 'list', data, model: 'm', usage: { prompt_tokens: 1, total_tokens: 1 } });
      };
      const model = createServer((request, response) => {
        response.setHeader('content-type', 'application/json');
        void embed(request).then((body) => response.end(body));
      }).listen(0, '127.0.0.1');
      try {
        await new Promise((listening) => model.once('listening', listening));
        const url = `http://127.0.0.1:${(model.address() as AddressInfo).port}/v1/embeddings`;
        for (const side of [world.leader, world.follower]) {
          await side.ok('POST', '/_license/start_trial?acknowledge=true');
          const service_settings = { api_key: 'none', model_id: 'm', similarity: 'cosine', url };
          await side.ok('PUT', '/_inference/text_embedding/test', { service: 'openai', service_settings });
        }
        const index = world.name('-semantic');
        const properties = {
          words: { type: 'semantic_text', inference_id: 'test' },
          title: { type: 'text', copy_to: 'words' },
        };
        await world.leader.ok('PUT', `/${index}`, { mappings: { properties } });
        const sources = [
          { words: 'some of them', n: 1.5 },
          { title: 'copied' },
          { n: 1 },
          { words: ['a', 'b'], title: 'c' },
        ];
        for (const [at, source] of sources.entries()) await world.leader.ok('PUT', `/${index}/_doc/${at}`, source);
        const before = computed;
        await world.follow(index);
        await world.awaitSettled(index);
        assert.equal(computed, before);
        assert.deepEqual((await verifyContent(world, index)).outcome, 'equal');
        for (const [at, source] of sources.entries()) {
          const bytes = await rawSource(world.follower, index, { id: String(at), routing: undefined });
          const { _inference_fields: embeddings, ...rest } = JSON.parse(text(bytes ?? new Uint8Array())) as Record<
            string,
            unknown
          >;
          assert.deepEqual(rest, source);
          assert.equal(embeddings !== undefined, 'words' in source || 'title' in source);
        }
        await world.follower.ok('POST', `/${index}/_refresh`);
        const found = await world.follower.ok('POST', `/${index}/_search`, {
          query: { semantic: { field: 'words', query: 'x' } },
        });
        assert.equal((found['hits'] as { hits: unknown[] }).hits.length, 3);
      } finally {
        model.close();
      }
    });
});
