import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failed } from '../../../src/domain/failure.ts';
import { bench, config, index, pair } from './cli-bench.ts';

const ESC = '\u001b';

describe('slipstream status', () => {
  it('is a plain table once where nobody looks, even with --watch', async () => {
    const cli = bench({ answer: () => [index([pair()])], deps: { env: { TERM: 'xterm' } } });
    assert.equal(await cli.run('status', '--watch'), 0);
    assert.equal(
      cli.out(),
      'FOLLOWER      SHARD  STATE      LAG OPS  LAG S    DOCS  OPS/S  MB/S\ntokyo:cities      0  following        0      0  67,616      0     0\n',
    );
    assert.equal(cli.surface.calls.length, 1);
  });

  it('is one JSON object with --json, sorted', async () => {
    const cli = bench({ answer: () => [index([pair({ shard: 1 }), pair()])] });
    assert.equal(await cli.run('status', '--json'), 0);
    assert.deepEqual(cli.json(), {
      ok: true,
      result: { indices: [index([pair(), pair({ shard: 1 })])], warnings: [] },
    });
  });

  it('says below what an operator should know of the journal', async () => {
    const cli = bench({ answer: () => [index([pair()])], journalWarnings: ['journal: one replica'] });
    await cli.run('status');
    assert.match(cli.out(), /tokyo:cities .*\njournal: one replica\n$/);
  });

  it('has colours on a terminal, but not with NO_COLOR or a dumb one', async () => {
    const coloured = async (isTty: boolean, env: Record<string, string>): Promise<boolean> => {
      const cli = bench({ answer: () => [index([pair()])], deps: { isTty, env, columns: () => 100 } });
      await cli.run('status');
      return cli.out().includes(`${ESC}[32mfollowing${ESC}[0m`);
    };
    assert.equal(await coloured(true, {}), true);
    assert.equal(await coloured(true, { NO_COLOR: '' }), true);
    assert.equal(await coloured(true, { NO_COLOR: '1' }), false);
    assert.equal(await coloured(true, { TERM: 'dumb' }), false);
    assert.equal(await coloured(false, {}), false);
  });

  it('links traces as the configuration says', async () => {
    const linked = { ...config, telemetry: { ...config.telemetry, uiTraceUrl: 'http://ui/{traceId}' } };
    const cli = bench({ config: linked, answer: () => [index([pair({ state: 'paused', desired: 'paused' })])] });
    await cli.run('status');
    assert.match(
      cli.out(),
      /paused: by command\n {2}next: slipstream resume tokyo:cities\/0; slipstream events tokyo:cities\/0 tells who paused it\n {2}trace: http:\/\/ui\/0af7651916cd43dd8448eb211c80319c\n$/,
    );
  });

  it('watches on a terminal until Ctrl-C, over failures too, and gives the cursor back', async () => {
    let asked = 0;
    const cli = bench({
      answer: () => {
        asked += 1;
        if (asked === 2) throw failed('no_supervisor', { op: 'status', reason: 'no responders' });
        return [index([pair({ lagOperations: asked })])];
      },
      deps: {
        isTty: true,
        env: { NO_COLOR: '1' },
        columns: () => 100,
        rows: () => 24,
        sleep: async () => {
          if (asked === 3) cli.signal('SIGINT');
        },
      },
    });
    assert.equal(await cli.run('status', '--watch'), 130);
    assert.equal(asked, 3);
    const frames = cli.out().split(`${ESC}[H`);
    assert.equal(frames.length, 4);
    assert.match(frames[2] ?? '', /no_supervisor: status: no responders/);
    assert.match(frames[3] ?? '', /following {8}3 /);
    assert.ok(cli.out().endsWith(`${ESC}[J${ESC}[?25h`));
    assert.equal(cli.log.at(-1), 'close');
  });

  it('stops watching when nobody reads any more', async () => {
    const cli = bench({
      deps: { isTty: true, columns: () => 80, rows: () => 24, sleep: async () => cli.closeOutput() },
    });
    assert.equal(await cli.run('status', '--watch'), 0);
  });

  it('shows what fits on a terminal, and everything with --all or elsewhere', async () => {
    const lines = async (isTty: boolean, ...more: string[]): Promise<number> => {
      const many = index(Array.from({ length: 100 }, (_, shard) => pair({ shard })));
      const rows = (): number => (isTty ? 24 : Number.POSITIVE_INFINITY);
      const cli = bench({ answer: () => [many], deps: { isTty, env: { NO_COLOR: '1' }, columns: () => 100, rows } });
      assert.equal(await cli.run('status', ...more), 0);
      return cli.out().split('\n').length - 1;
    };
    assert.equal(await lines(true), 23);
    assert.equal(await lines(true, '--all'), 101);
    assert.equal(await lines(false), 101);
    const cli = bench();
    assert.equal(await cli.run('status', '--watch', '--all'), 64);
  });

  it('refuses to watch in JSON', async () => {
    const cli = bench();
    assert.equal(await cli.run('status', '--watch', '--json'), 64);
    assert.deepEqual(cli.surface.calls, []);
  });
});
