import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunningSupervisor } from '../../../src/app/program.ts';
import { failed } from '../../../src/domain/failure.ts';
import { bench, config } from './cli-bench.ts';

/** A supervisor that stops when it is asked to and then told to. */
function supervisor(): {
  readonly running: RunningSupervisor;
  readonly reasons: string[];
  readonly end: (code: number) => void;
} {
  const { promise, resolve } = Promise.withResolvers<number>();
  const reasons: string[] = [];
  return { running: { stopped: promise, stop: (reason) => void reasons.push(reason) }, reasons, end: resolve };
}

describe('slipstream start', () => {
  it('says where to look, and ends as the supervisor ends', async () => {
    const { running, end } = supervisor();
    const cli = bench({ deps: { isTty: true, startSupervisor: async () => running } });
    end(0);
    assert.equal(await cli.run('start'), 0);
    assert.deepEqual(cli.out().split('\n'), [
      'Supervisor one runs: clusters paris, tokyo; NATS nats://127.0.0.1:4222',
      '  state    slipstream status --watch',
      '  history  slipstream events --follow',
      '  traces   sent by otlp to http://127.0.0.1:4318/v1/traces',
      '  stop     Ctrl-C once to finish what was begun, twice to end at once',
      '',
    ]);
  });

  it('leaves stdout to the log, where that is no terminal', async () => {
    const { running, end } = supervisor();
    const cli = bench({ deps: { startSupervisor: async () => running } });
    end(0);
    assert.equal(await cli.run('start'), 0);
    assert.equal(cli.out(), '');
    assert.match(cli.err(), /^Supervisor one runs: /);
  });

  it('names the configuration in what to type, and the tracing UI where there is one', async () => {
    const { running, end } = supervisor();
    const named = {
      ...config,
      path: 'other.yml',
      telemetry: { ...config.telemetry, uiTraceUrl: 'http://ui/{traceId}' },
    };
    const cli = bench({ config: named, deps: { isTty: true, startSupervisor: async () => running } });
    end(3);
    assert.equal(await cli.run('start', '--config', 'other.yml'), 3);
    assert.match(cli.out(), /slipstream status --watch --config other\.yml\n/);
    assert.match(cli.out(), /traces {3}http:\/\/ui\/\{traceId\}/);
  });

  it('drains at the first signal, and ends at once at the second', async () => {
    const { running, reasons, end } = supervisor();
    const cli = bench({ deps: { startSupervisor: async () => running } });
    const code = cli.run('start', '--json');
    await new Promise(setImmediate);
    cli.signal('SIGTERM');
    assert.deepEqual(reasons, ['SIGTERM']);
    assert.match(cli.err(), /SIGTERM: finishing what was begun; once more ends at once/);
    cli.signal('SIGINT');
    assert.deepEqual(reasons, ['SIGTERM']);
    assert.equal(cli.log.at(-1), 'exit 130');
    end(0);
    assert.equal(await code, 0);
    assert.deepEqual(cli.json(), {
      ok: true,
      result: { supervisor: 'one', clusters: ['paris', 'tokyo'], nats: ['nats://127.0.0.1:4222'] },
    });
  });

  it('gives a start up at a signal, as an orderly end', async () => {
    const cli = bench({
      deps: {
        startSupervisor: async (_, signal) => {
          cli.signal('SIGTERM');
          signal.throwIfAborted();
          throw new Error('not aborted');
        },
      },
    });
    assert.equal(await cli.run('start'), 0);
    assert.equal(cli.out(), '');
  });

  it('drains a supervisor that had started when the signal came', async () => {
    const { running, reasons, end } = supervisor();
    const cli = bench({
      deps: {
        startSupervisor: async () => {
          cli.signal('SIGINT');
          end(0);
          return running;
        },
      },
    });
    assert.equal(await cli.run('start'), 0);
    assert.deepEqual(reasons, ['SIGINT']);
  });

  it('tells why it could not start', async () => {
    const cli = bench({
      deps: {
        startSupervisor: () => Promise.reject(failed('journal_unreachable', { op: 'connect', reason: 'refused' })),
      },
    });
    assert.equal(await cli.run('start'), 69);
    assert.match(cli.err(), /^slipstream: journal_unreachable: connect: refused\nnext: /);
  });

  it('needs a cluster', async () => {
    const cli = bench({ config: { ...config, clusters: new Map() } });
    assert.equal(await cli.run('start'), 78);
    assert.match(cli.err(), /clusters: a supervisor needs at least one cluster/);
  });
});

describe('slipstream start --check', () => {
  const servers = [
    { kind: 'cluster', name: 'paris', detail: 'elasticsearch 9.4.3' },
    {
      kind: 'cluster',
      name: 'tokyo',
      failure: failed('unauthorized', { op: 'identify', reason: 'unable to authenticate' }).failure,
    },
    { kind: 'nats', name: 'nats' },
  ] as const;

  it('asks every server and names the one that does not answer', async () => {
    const cli = bench({ deps: { checkReach: async () => servers } });
    assert.equal(await cli.run('start', '--check'), 77);
    assert.deepEqual(cli.out().split('\n'), [
      './slipstream.yml: configuration right',
      'cluster paris: ok (elasticsearch 9.4.3)',
      'cluster tokyo: unauthorized: identify: unable to authenticate',
      '  next: Check the credentials in the configuration; a granted key is picked up at the next try.',
      'nats: ok',
      '',
    ]);
  });

  it('tells in JSON, too, that something is wrong', async () => {
    const cli = bench({ deps: { checkReach: async () => servers } });
    assert.equal(await cli.run('start', '--check', '--json'), 77);
    const { ok, failure, result } = cli.json() as {
      ok: boolean;
      failure: { code: string };
      result: { reachable: boolean };
    };
    assert.deepEqual([ok, failure.code, result.reachable], [false, 'unauthorized', false]);
  });

  it('ends with 0 when all answer, and shows no secret in JSON', async () => {
    const cli = bench({ deps: { checkReach: async () => servers.slice(0, 1) } });
    assert.equal(await cli.run('start', '--check', '--json'), 0);
    const { result } = cli.json() as { result: { reachable: boolean } };
    assert.equal(result.reachable, true);
    assert.match(cli.out(), /"apiKey":"\*\*\*"/);
    assert.doesNotMatch(cli.out(), /hush/);
  });
});
