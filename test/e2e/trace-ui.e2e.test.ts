import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pairKey } from '../../src/domain/names.ts';
import { zipkinTraceUrl } from '../../src/infra/telemetry/trace-link.ts';
import { testBrowser } from '../support/browser.ts';
import { life, pair } from '../support/pair-life.ts';
import { traceLife } from '../support/traced-life.ts';
import { tracePage } from '../support/trace-page.ts';
import { zipkinTrace, zipkinUrl } from '../support/zipkin.ts';

describe("the tracing UI's page of a pair", () => {
  it('shows the life of the pair in its order: every transition and state by name', async () => {
    const url = zipkinUrl();
    const traceId = await traceLife(url);
    await zipkinTrace(url, traceId, life.length + 6);
    await using chromium = await testBrowser();
    const page = await tracePage(chromium.browser, zipkinTraceUrl(url, traceId));

    assert.deepEqual(await page.spanNames(), [
      `pair ${pairKey(pair)} run`,
      'none -> bootstrapping',
      'state bootstrapping',
      'bootstrapping -> following',
      'state following',
      'following -> retrying',
      'state retrying',
      'retrying -> retrying (failed)',
      'retrying -> following',
      'state following',
      'following -> following (pause)',
      'following -> paused',
      'state paused',
      'paused -> following',
    ]);
  });

  it('tells of a transition that is clicked who asked, why, and how far the copy was', async () => {
    const url = zipkinUrl();
    const traceId = await traceLife(url);
    await zipkinTrace(url, traceId, life.length + 6);
    await using chromium = await testBrowser();
    const page = await tracePage(chromium.browser, zipkinTraceUrl(url, traceId));

    const paused = await page.open('following -> paused');
    assert.match(paused, /slipstream\.checkpoint\s+70119/);
    const resumed = await page.open('paused -> following');
    assert.match(resumed, /slipstream\.by\s+ada@console/);
    assert.match(resumed, /slipstream\.cause\s+command:c3/);
    const failed = await page.open('following -> retrying');
    assert.match(failed, /error\s+cluster_unreachable: leader search/);
    assert.match(failed, /slipstream\.failure_reason\s+connect ECONNREFUSED/);
  });
});
