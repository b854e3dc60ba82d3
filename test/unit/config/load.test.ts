import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { defaultDataFolder } from '../../../src/config/data-folder.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import { DEFAULT_PARAMETERS } from '../../../src/domain/parameters.ts';
import { configFiles, faultsIn, load } from './config-file.ts';

const MiB = 1024 ** 2;
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';

describe('a configuration that is right', () => {
  it('may be empty, and is then all defaults', async () => {
    const { clusters, nats, supervisor, defaults, follow, telemetry, warnings } = await load('');
    assert.deepEqual(
      { clusters: [...clusters], nats, supervisor, defaults, follow, telemetry, warnings },
      {
        clusters: [],
        nats: {
          servers: [],
          own: { dataFolder: defaultDataFolder({}) },
          auth: { kind: 'none' },
          subjectPrefix: 'slipstream',
          stream: 'SLIPSTREAM_JOURNAL',
        },
        supervisor: {
          name: 'slipstream',
          bufferSizeBytes: 128 * MiB,
          bufferOperations: 100_000,
          pollIntervalMs: 500,
          pollIntervalMaxMs: 1000,
          positionIntervalMs: 2000,
          drainTimeoutMs: 20_000,
        },
        defaults: DEFAULT_PARAMETERS,
        follow: [],
        telemetry: { logLevel: 'info', traces: { exporter: 'otlp', endpoint: 'http://127.0.0.1:4318/v1/traces' } },
        warnings: [],
      },
    );
  });

  it('gives every key of a cluster with its unit, and files by their content', async () => {
    const text =
      'clusters:\n  paris:\n    url: [https://a:9200, https://b:9200]\n    auth: {username: me, password: "${PW}"}\n    caFile: ca.pem\n    compression: false\n    requestTimeoutMs: 5s\n    maxConnections: 4\n    readRateLimit: 50mb\n';
    const { clusters } = await load(text, { PW: 'hush' }, { 'ca.pem': CERTIFICATE });
    assert.deepEqual(clusters.get('paris'), {
      name: 'paris',
      urls: ['https://a:9200', 'https://b:9200'],
      auth: { kind: 'basic', username: 'me', password: 'hush' },
      caPem: CERTIFICATE,
      compression: false,
      requestTimeoutMs: 5000,
      maxConnections: 4,
      readRateLimitBytesPerSecond: 50 * MiB,
    });
  });

  it('takes sizes and times with units or bare, and numbers from the environment', async () => {
    const { supervisor, defaults } = await load(
      'supervisor: {bufferSize: 1048576, pollIntervalMs: 50ms, bufferOperations: "${N}"}\ndefaults: {max_read_request_size_bytes: 1.5mb, max_retry_delay_ms: 2m}\n',
      { N: '500' },
    );
    assert.equal(supervisor.bufferSizeBytes, MiB);
    assert.equal(supervisor.pollIntervalMs, 50);
    assert.equal(supervisor.bufferOperations, 500);
    assert.deepEqual(defaults, {
      ...DEFAULT_PARAMETERS,
      max_read_request_size_bytes: 1.5 * MiB,
      max_retry_delay_ms: 120_000,
    });
  });

  it('keeps what a follower gives apart from the defaults', async () => {
    const { follow } = await load(
      'clusters: {a: {url: http://127.0.0.1:1}, b: {url: http://127.0.0.1:2}}\nfollow:\n  - leader: {cluster: a, index: .ds-logs.x-2026}\n    follower: {cluster: b, index: "日本"}\n    parameters: {scan_share: 0.1}\n    settings: {index.number_of_replicas: 0}\n',
    );
    assert.deepEqual(follow, [
      {
        leader: { cluster: 'a', index: '.ds-logs.x-2026' },
        follower: { cluster: 'b', index: '日本' },
        parameters: { scan_share: 0.1 },
        settings: { 'index.number_of_replicas': 0 },
      },
    ]);
  });

  for (const [text, auth] of [
    ['user: u\n  password: p', { kind: 'userPassword', user: 'u', password: 'p' }],
    ['user: u\n  passwordFile: secret', { kind: 'userPassword', user: 'u', password: 'SUhush' }],
    ['token: t', { kind: 'token', token: 't' }],
    ['tokenFile: secret', { kind: 'token', token: 'SUhush' }],
    ['nkeySeed: SUx', { kind: 'nkey', seed: 'SUx' }],
    ['nkeyFile: secret', { kind: 'nkey', seed: 'SUhush' }],
    ['credentialsFile: me.creds', { kind: 'credentials', credentials: '-----BEGIN NATS USER JWT-----\n' }],
  ] as const)
    it(`logs in to NATS by ${auth.kind}, given as ${text.split('\n').at(-1)?.trim()}`, async () => {
      const files = { 'me.creds': '-----BEGIN NATS USER JWT-----\n', secret: 'SUhush\n' };
      assert.deepEqual((await load(`nats:\n  servers: nats://h\n  ${text}\n`, {}, files)).nats.auth, auth);
    });

  it('keeps the data of its own NATS server beside the file, where it says so, else where the system keeps such things', async () => {
    const { nats } = await load('nats: {dataFolder: ../data, serverBinary: /opt/nats-server, port: "${P}"}\n', {
      P: '4333',
    });
    assert.match(nats.own?.dataFolder ?? '', /^\/.*[^.]\/data$/);
    assert.deepEqual({ ...nats.own, dataFolder: '' }, { dataFolder: '', serverBinary: '/opt/nats-server', port: 4333 });
    assert.equal(defaultDataFolder({ XDG_DATA_HOME: '/x' }, true), '/var/lib/slipstream');
    assert.equal(defaultDataFolder({ XDG_DATA_HOME: '/x', HOME: '/h' }, false), '/x/slipstream');
    assert.equal(defaultDataFolder({ XDG_DATA_HOME: 'x', HOME: '/h' }, false), '/h/.local/share/slipstream');
  });
});

describe('values from the environment', () => {
  it('are put into texts, several in one, and escaped by another dollar', async () => {
    const { clusters } = await load(
      'clusters:\n  a:\n    url: http://${HOST}:${PORT}\n    auth:\n      username: a$${b}\n      password: ${PW}\n',
      { HOST: 'h', PORT: '1', PW: '${HOST}' },
    );
    assert.deepEqual(clusters.get('a')?.urls, ['http://h:1']);
    assert.deepEqual(
      clusters.get('a')?.auth,
      { kind: 'basic', username: 'a${b}', password: '${HOST}' },
      'what was put in is not looked at again',
    );
  });

  it('that are missing or misspelt are faults at their paths, once each', async () => {
    assert.deepEqual(
      await faultsIn(
        'clusters:\n  a:\n    url: ${URL}\n    auth:\n      apiKey: ${KEY\nnats:\n  token: ${1x}\n  servers: nats://h\n',
      ),
      [
        '3: clusters.a.url: environment variable URL is not set',
        '5: clusters.a.auth.apiKey: expected ${NAME} with the name of an environment variable (a plain ${ is written $${)',
        '7: nats.token: expected ${NAME} with the name of an environment variable (a plain ${ is written $${)',
      ],
    );
  });

  it('never appear in a fault', async () => {
    const secret = 's3cret\nkey';
    const faults = await faultsIn(
      'clusters:\n  a:\n    url: ${S}\n    auth: {apiKey: "${S}"}\n    maxConnections: ${S}\nsupervisor: {bufferSize: "${S}", name: "${S}"}\ndefaults: {on_missing_history: "${S}"}\n',
      { S: secret },
    );
    assert.equal(faults.length, 6);
    assert.ok(!faults.join('\n').includes('s3cret'), faults.join('\n'));
  });
});

describe('a configuration that is wrong', () => {
  it('has all its faults told at once, with line and path, in the order of the file', async () => {
    const text = `clusters:
  Paris:
    url: http://u:p@x
  tokyo:
    urls: [http://127.0.0.1:9200]
    auth: { apiKey: "\${NO_SUCH}", username: x }
    caFile: nope.pem
    requestTimeoutMs: 1
    maxConections: 4
  osaka: { url: [ftp://x, http://ok], auth: {} }
  kyoto: hello
nats: { servers: nats://h:1, token: a, user: b }
supervisor: { bufferSize: 12, pollIntervalMs: 2000 }
defaults: { max_read_request_size: 32mb, scan_share: 3, on_missing_history: rebotstrap }
follow:
  - leader: { cluster: tokio, index: Cities }
    follower: { cluster: kyoto, index: c }
  - leader: { cluster: kyoto, index: c }
    follower: { cluster: kyoto, index: c }
  - 5
telemtry: {}
`;
    assert.deepEqual(await faultsIn(text), [
      '2: clusters.Paris: a cluster name is made of a-z, 0-9, _ and - and starts with a letter or digit (64 at most)',
      '3: clusters.Paris.url: credentials do not belong into an address; give them in their own keys',
      '4: clusters.tokyo.url: is missing',
      '5: clusters.tokyo.urls: unknown key; did you mean url?',
      '6: clusters.tokyo.auth.apiKey: environment variable NO_SUCH is not set',
      '6: clusters.tokyo.auth: give apiKey, or username and password, not both',
      '7: clusters.tokyo.caFile: nope.pem cannot be read (ENOENT)',
      '8: clusters.tokyo.requestTimeoutMs: expected a time such as 500ms or 30s (bare number: milliseconds), from 1s to 10m',
      '9: clusters.tokyo.maxConections: unknown key; did you mean maxConnections?',
      '10: clusters.osaka.url[0]: expected an address such as http://127.0.0.1 (http or https)',
      '10: clusters.osaka.auth: give apiKey, or username and password',
      '11: clusters.kyoto: expected a mapping, found text',
      '12: nats: give one of credentialsFile, nkeySeed, nkeyFile, user with password or passwordFile, token, or tokenFile',
      '12: nats: user and password (or passwordFile) belong together',
      '13: supervisor.bufferSize: expected a size such as 32mb (bare number: bytes), from 1mb to 64gb',
      '13: supervisor.pollIntervalMaxMs: is below pollIntervalMs; raise it too',
      '14: defaults.on_missing_history: expected one of rebootstrap, fail; did you mean rebootstrap?',
      '14: defaults.scan_share: expected a number, from 0.0001 to 1',
      '14: defaults.max_read_request_size: unknown key; did you mean max_read_request_size_bytes?',
      '16: follow[0].leader.index: must be lower case',
      '16: follow[0].leader.cluster: names no cluster of this file; did you mean tokyo?',
      '18: follow[1]: an index cannot follow itself',
      '19: follow[1].follower: is the follower of follow[0] already',
      '20: follow[2]: expected a mapping, found a number',
      '21: telemtry: unknown key; did you mean telemetry?',
    ]);
  });

  it('has keys of NATS told that do not fit together', async () => {
    assert.deepEqual(
      await faultsIn(
        'nats: {servers: nats://h, dataFolder: x, port: 1, certFile: c.pem}\n',
        {},
        { 'c.pem': CERTIFICATE },
      ),
      [
        '1: nats: certFile and keyFile belong together',
        '1: nats: dataFolder, port: for a server of our own, which is not run where servers are given',
      ],
    );
    assert.deepEqual(await faultsIn('nats: {token: t, replicas: 3}\n'), [
      '1: nats: token, replicas: for servers that are there already; give servers too',
    ]);
    assert.deepEqual(
      await faultsIn(
        'nats:\n  servers: nats://h\n  tokenFile: empty\n  nkeyFile: none\n  password: a\n  passwordFile: empty\n',
        {},
        { empty: '\n' },
      ),
      [
        '1: nats: give one of credentialsFile, nkeySeed, nkeyFile, user with password or passwordFile, token, or tokenFile',
        '1: nats: user and password (or passwordFile) belong together',
        '1: nats: give password or passwordFile, not both',
        '3: nats.tokenFile: empty is empty',
        '4: nats.nkeyFile: none cannot be read (ENOENT)',
        '6: nats.passwordFile: empty is empty',
      ],
    );
  });

  it('has sections of the wrong kind told, not tripped over', async () => {
    assert.deepEqual(
      await faultsIn(
        "clusters: {a: 5, b: null}\nnats: 3\nsupervisor:\nfollow: {a: 1}\ntelemetry: {traces: [1], uiTraceUrl: 'x{traceId}'}\n",
      ),
      [
        '1: clusters.a: expected a mapping, found a number',
        '1: clusters.b: expected a mapping, found nothing',
        '2: nats: expected a mapping, found a number',
        '3: supervisor: expected a mapping, found nothing',
        '4: follow: expected a list, found a mapping',
        '5: telemetry.traces: expected a mapping, found a list',
        '5: telemetry.uiTraceUrl: expected an address that holds {traceId}',
      ],
    );
    assert.deepEqual(await faultsIn('- a\n'), ['1: expected a mapping, found a list']);
    assert.deepEqual(await faultsIn('clusters:\n  __proto__: {url: http://x}\n'), [
      '2: clusters.__proto__: unknown key',
    ]);
  });

  it('has duplicate keys and every broken line told by line and column', async () => {
    assert.deepEqual(await faultsIn('nats: {}\nnats: {}\nfollow: []\nfollow: []\n'), [
      '2:1: this key stands here twice',
      '4:1: this key stands here twice',
    ]);
    assert.match((await faultsIn('nats: {\n  token: x\n'))[0] ?? '', /^\d+:\d+: /);
    assert.deepEqual(await faultsIn('a: 1\n---\nb: 2\n'), ['2:1: expected one document, found several']);
    assert.deepEqual(await faultsIn('nats: !include x\n'), ['1:7: Unresolved tag: !include']);
  });

  it('hears what to do about a variable inside braces', async () => {
    const [fault, ...rest] = await faultsIn('nats: { token: ${T} }\n', { T: 'x' });
    assert.match(fault ?? '', /^1:17: .* a \$\{NAME\} stands in quotes\)$/);
    assert.deepEqual(rest, []);
  });

  it('is told from a file that is missing, no text, or a folder', async () => {
    await using files = await configFiles({ 'binary.yml': Uint8Array.of(0xff, 0xfe, 0) });
    const reason = async (path: string): Promise<string> => {
      const failure = await loadConfig(path, {}).then(
        () => assert.fail('accepted'),
        (error: unknown) => failureOf(error, 'test'),
      );
      assert.equal(failure.code, 'invalid_config');
      assert.match(failure.hint, /--config or SLIPSTREAM_CONFIG/);
      return failure.reason;
    };
    assert.equal(await reason(join(files.folder, 'none.yml')), 'there is no such file');
    assert.equal(await reason(files.folder), 'it cannot be read (EISDIR)');
    assert.equal(await reason(files.path), 'it is not UTF-8 text');
  });

  it('has a file without a certificate told', async () => {
    assert.deepEqual(await faultsIn('clusters: {a: {url: https://x, caFile: ca.pem}}\n', {}, { 'ca.pem': 'key' }), [
      '1: clusters.a.caFile: ca.pem holds no -----BEGIN CERTIFICATE-----',
    ]);
  });
});

describe('a configuration that is legal but unwise', () => {
  it('warns of credentials in clear text, except to this machine', async () => {
    const cluster = (url: string): string => `{url: "${url}", auth: {apiKey: k}}`;
    const text = `clusters:\n  far: ${cluster('http://10.0.0.1:9200')}\n  near: ${cluster('http://localhost:9200')}\n  six: ${cluster('http://[::1]:9200')}\n  safe: ${cluster('https://10.0.0.1')}\n  open: {url: http://10.0.0.1}\nnats: {servers: [nats://10.0.0.2], token: t}\n`;
    assert.deepEqual((await load(text)).warnings, [
      'clusters.far: credentials travel in clear to http://10.0.0.1:9200; use https',
      'nats: credentials travel in clear to nats://10.0.0.2; use tls, unless that server upgrades to it',
    ]);
  });

  it('warns of an authority that is never asked', async () => {
    assert.deepEqual(
      (await load('clusters: {a: {url: http://127.0.0.1:1, caFile: ca.pem}}\n', {}, { 'ca.pem': CERTIFICATE }))
        .warnings,
      ['clusters.a: caFile has no effect on http addresses'],
    );
  });
});
