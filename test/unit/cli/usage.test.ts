import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMMANDS } from '../../../src/cli/catalogue.ts';
import { failed } from '../../../src/domain/failure.ts';
import { bench, config } from './cli-bench.ts';

async function refusal(...argv: readonly string[]): Promise<string> {
  const cli = bench();
  assert.equal(await cli.run(...argv), 64, argv.join(' '));
  assert.equal(cli.out(), '');
  assert.deepEqual(cli.log, [], 'nothing was loaded or reached');
  return cli.err();
}

describe('a wrong command line', () => {
  it('is told with what was meant, before anything is read', async () => {
    assert.equal(
      await refusal('stauts'),
      'slipstream: invalid_command: slipstream: unknown command stauts; did you mean status?\nnext: slipstream --help lists the commands.\n',
    );
    assert.match(
      await refusal('status', '--wacth'),
      /unknown flag --wacth; did you mean --watch\?\nnext: slipstream status --help/,
    );
    assert.match(await refusal('--watch', 'status'), /--watch: the command comes first, flags after it/);
    assert.match(await refusal('status', '-j'), /unknown flag -j/);
  });

  it('has all its faults told at once', async () => {
    assert.equal(
      await refusal('pause', 'a:b', 'c', '--foo', '--json=x', '--wait=1s', '--wait=2s', '--config'),
      [
        'slipstream: invalid_command: slipstream pause:',
        '  unknown flag --foo',
        '  --json takes no value',
        '  --wait is given twice',
        '  --config needs a value: --config FILE',
        '  unexpected argument c',
        'next: slipstream pause --help shows how it is used.',
        '',
      ].join('\n'),
    );
  });

  it('with an empty value is none', async () => {
    assert.match(await refusal('status', '--config='), /--config needs a value: --config FILE/);
  });

  it('names a target that cannot be one', async () => {
    assert.match(await refusal('pause'), /expected <cluster:index\[\/shard\]>/);
    assert.match(await refusal('pause', 'cities'), /cities: expected cluster:index or cluster:index\/shard/);
    assert.match(await refusal('pause', 'Tokyo:cities'), /a cluster name is made of/);
    assert.match(await refusal('pause', 'tokyo:Cities'), /the index name must be lower case/);
    assert.match(await refusal('verify', 'tokyo:ci*'), /must not contain "\*"; a command names one index/);
    assert.match(await refusal('pause', 'tokyo:a:b'), /must not contain ":"/);
    assert.match(await refusal('pause', 'tokyo:cities/x'), /expected a shard number after the \//);
    assert.match(await refusal('unfollow', 'tokyo:cities/1'), /unfollow takes a whole index/);
    assert.match(
      await refusal('pause', 'tokyo:cities', '--wait=soon'),
      /--wait soon: expected a time such as 30s, at most 10m/,
    );
    assert.match(
      await refusal('resume', 'tokyo:cities', '--on-missing-history', 'reboot'),
      /expected rebootstrap or fail/,
    );
    for (const since of ['0', '-', 'yesterday', '2026-13-01', '3parsecs'])
      assert.match(await refusal('events', `--since=${since}`), /expected a sequence number from 1 on/, since);
    assert.match(await refusal('events', '--shard', '1'), /--shard 1: goes with cluster:index/);
    assert.match(await refusal('events', 'tokyo:a/1', '--shard', '1'), /--shard 1: goes with cluster:index/);
    assert.match(await refusal('events', 'tokyo:a', '--shard', 'x'), /expected a shard number/);
    assert.match(await refusal('pause', 'tokyo:Logs-*'), /must be lower case/);
    assert.match(await refusal('verify', 'tokyo:cities', '--samples', '101'), /expected a whole number up to 100/);
    assert.match(
      await refusal('follow', 'a:b', 'c:d', '--set', 'x', '--param', 'y=1'),
      /--set x: expected setting=value/,
    );
    assert.match(
      await refusal('follow', 'a:b', 'c:d', '--param', 'scan_share=5', '--param', 'max_read_request_size=8mb'),
      /--param scan_share: expected a number, from 0.0001 to 1\n {2}--param max_read_request_size: no such parameter; did you mean max_read_request_size_bytes\?/,
    );
  });

  it('is told in JSON on stdout when JSON is asked for', async () => {
    const cli = bench();
    assert.equal(await cli.run('pause', '--json'), 64);
    assert.equal(cli.err(), '');
    const { ok, failure } = cli.json() as { ok: boolean; failure: { code: string } };
    assert.deepEqual([ok, failure.code], [false, 'invalid_command']);
  });
});

describe('help', () => {
  for (const argv of [['help'], ['--help'], ['-h'], ['help', 'help']])
    it(`lists every command and exit code: ${argv.join(' ')}`, async () => {
      const cli = bench();
      assert.equal(await cli.run(...argv), 0);
      for (const { name } of COMMANDS) assert.match(cli.out(), new RegExp(`^ {2}${name} `, 'm'));
      assert.match(cli.out(), /^ {3}78 {2}The configuration is wrong/m);
    });

  it('is shown, as a mistake, when nothing is asked', async () => {
    const cli = bench();
    assert.equal(await cli.run(), 64);
    assert.match(cli.out(), /^Usage: slipstream <command>/m);
  });

  for (const command of COMMANDS)
    it(`of ${command.name} shows usage, flags and examples, three ways the same, whatever else is wrong`, async () => {
      const texts = [];
      for (const argv of [
        ['help', command.name],
        [command.name, '--help', 'x', 'y', 'z'],
        [command.name, '-h'],
      ]) {
        const cli = bench();
        assert.equal(await cli.run(...argv), 0);
        texts.push(cli.out());
      }
      assert.equal(new Set(texts).size, 1);
      assert.match(texts[0] ?? '', new RegExp(`Usage: slipstream ${command.name}`));
      assert.match(texts[0] ?? '', /Examples:\n( {2}# .*\n)? {2}slipstream /);
      for (const { name } of command.flags) assert.match(texts[0] ?? '', new RegExp(`--${name}\\b`));
    });
});

describe('the configuration of a command', () => {
  it('is --config, else SLIPSTREAM_CONFIG, else ./slipstream.yml', async () => {
    const loaded = async (env: Record<string, string>, ...flags: readonly string[]): Promise<string | undefined> => {
      const cli = bench({ deps: { env } });
      await cli.run('list', ...flags);
      return cli.log[0];
    };
    assert.equal(await loaded({ SLIPSTREAM_CONFIG: 'b.yml' }, '--config', 'a.yml'), 'load a.yml');
    assert.equal(await loaded({ SLIPSTREAM_CONFIG: 'b.yml' }), 'load b.yml');
    assert.equal(await loaded({ SLIPSTREAM_CONFIG: '' }), 'load ./slipstream.yml');
  });

  it('has its faults listed line by line, and exit 78', async () => {
    const fault = failed('invalid_config', {
      op: 'read configuration x.yml',
      reason: 'x.yml:1: a: is missing\nx.yml:2: b: unknown key',
    });
    const cli = bench({ deps: { loadConfig: () => Promise.reject(fault) } });
    assert.equal(await cli.run('status'), 78);
    assert.equal(
      cli.err(),
      'slipstream: invalid_config: read configuration x.yml:\n  x.yml:1: a: is missing\n  x.yml:2: b: unknown key\nnext: Correct the configuration file at the paths that the reason names.\n',
    );
  });

  it('has its warnings told once, on stderr, with --json too', async () => {
    const cli = bench({ config: { ...config, warnings: ['nats: in clear'] } });
    assert.equal(await cli.run('status', '--json'), 0);
    assert.equal(cli.err(), 'slipstream: warning: nats: in clear\n');
    assert.deepEqual(cli.json(), { ok: true, result: { indices: [], warnings: [] } });
  });
});

it('a defect ends with 70, its stack on stderr', async () => {
  const cli = bench({ answer: () => assert.fail('broken') });
  assert.equal(await cli.run('list'), 70);
  assert.match(
    cli.err(),
    /^slipstream: bug: slipstream: AssertionError: broken\nnext: This is a defect of Slipstream\..*\nAssertionError/,
  );
  assert.deepEqual(cli.log.at(-1), 'close', 'the connection is closed whatever happens');
});

it('version tells the version', async () => {
  for (const argv of [['version'], ['--version'], ['-v']]) {
    const cli = bench();
    assert.equal(await cli.run(...argv), 0);
    assert.equal(cli.out(), 'slipstream 1.2.3\n');
  }
});
