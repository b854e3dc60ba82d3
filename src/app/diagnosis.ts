import type { ClusterConfig, Config } from '../config/config.ts';
import { commandClient } from '../control/client.ts';
import { failed } from '../domain/failure.ts';
import type { FollowerIndexRef, IndexRef } from '../domain/names.ts';
import { natsCommandTransport } from '../infra/nats/command-client.ts';
import type { OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import type { PrivilegeNeeds } from '../ports/cluster-inspection.ts';
import { openConfigured } from './clusters.ts';
import { clockFinding, failing, look, type Look } from './findings.ts';
import { connectConfigured } from './nats.ts';
import { diagnoseNats } from './nats-diagnosis.ts';
import type { Finding, Program } from './program.ts';

/** What was tried; others may well work. */
const TRIED = { distribution: 'elasticsearch', major: '9' } as const;
const POSITIONS_INDEX = '.replication_checkpoint';
const ANSWER_WITHIN_MS = 3_000;

interface Replication {
  readonly leader: IndexRef;
  readonly follower: FollowerIndexRef;
}

export const diagnose: Program['diagnose'] = async (config, signal) => {
  const { replications, supervisor } = await known(config);
  const clusters = [...config.clusters.values()].map((cluster) => diagnoseCluster(cluster, replications, signal));
  return [
    ...configFindings(config),
    ...(await Promise.all(clusters)).flat(),
    ...(await diagnoseNats(config)),
    ...supervisor,
  ];
};

function configFindings({ path, clusters, warnings }: Config): readonly Finding[] {
  const subject = 'configuration';
  const detail = `${path}: no faults, ${clusters.size} clusters`;
  return [
    { subject, check: 'file', outcome: 'ok', detail },
    ...warnings.map(
      (text, at) =>
        ({ subject, check: `warning ${at + 1}`, outcome: 'warn', detail: text, hint: 'See docs/config.md.' }) as const,
    ),
  ];
}

/** What is followed, by the configuration and by the supervisor, if one answers. */
async function known(
  config: Config,
): Promise<{ readonly replications: readonly Replication[]; readonly supervisor: readonly Finding[] }> {
  const subject = 'supervisor';
  try {
    const nc = await connectConfigured(config.nats, 'slipstream doctor');
    try {
      const transport = natsCommandTransport(nc, { prefix: config.nats.subjectPrefix });
      const control = commandClient({
        transport,
        clock: systemClock,
        random: systemRandom,
        timeoutMs: ANSWER_WITHIN_MS,
      });
      const followed = await control.list();
      const detail = `answers; ${followed.length} indices are followed`;
      return {
        replications: [...config.follow, ...followed],
        supervisor: [{ subject, check: 'commands', outcome: 'ok', detail }],
      };
    } finally {
      await nc.close();
    }
  } catch {
    const detail = 'none answers';
    const hint = 'Start one: slipstream start';
    return { replications: config.follow, supervisor: [{ subject, check: 'commands', outcome: 'warn', detail, hint }] };
  }
}

async function diagnoseCluster(
  cluster: ClusterConfig,
  replications: readonly Replication[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const subject = `cluster ${cluster.name}`;
  const open = openConfigured(cluster);
  try {
    const { distribution, version } = await open.admin.identify(signal);
    const detail = cluster.urls.join(', ');
    return [
      { subject, check: 'reachable', outcome: 'ok', detail },
      versionFinding(subject, distribution, version),
      await look(subject, 'privileges', () => privileges(cluster.name, replications, open, signal)),
      await clock(subject, open, signal),
    ];
  } catch (thrown) {
    return [failing(subject, 'reachable', thrown)];
  } finally {
    await open.close();
  }
}

function versionFinding(subject: string, distribution: string, version: string): Finding {
  const detail = `${distribution} ${version}; every licence will do`;
  const isTried = distribution === TRIED.distribution && version.split('.')[0] === TRIED.major;
  if (isTried) return { subject, check: 'version', outcome: 'ok', detail };
  const hint = 'Slipstream is tried on Elasticsearch 9 alone: try it on a copy first (docs/limits.md).';
  return { subject, check: 'version', outcome: 'warn', detail, hint };
}

async function clock(subject: string, { inspection }: OpenCluster, signal: AbortSignal): Promise<Finding> {
  try {
    const askedMs = systemClock.now();
    const theirsMs = await inspection.nowMs(signal);
    const answeredMs = systemClock.now();
    return clockFinding(subject, theirsMs - (askedMs + answeredMs) / 2, (answeredMs - askedMs) / 2);
  } catch (thrown) {
    return failing(subject, 'clock', thrown);
  }
}

/** The roles of docs/running.md. */
function needsOf(name: string, replications: readonly Replication[]): PrivilegeNeeds {
  const of = (side: keyof Replication): readonly string[] => [
    ...new Set(replications.filter((one) => one[side].cluster === name).map((one) => one[side].index)),
  ];
  const [leaders, followers] = [of('leader'), of('follower')];
  const indices = [
    { names: leaders, privileges: ['read', 'monitor', 'view_index_metadata', 'maintenance'] },
    { names: followers, privileges: ['manage', 'read', 'index', 'delete'] },
    { names: followers.length > 0 ? [POSITIONS_INDEX] : [], privileges: ['create_index', 'read', 'index', 'delete'] },
  ];
  return { cluster: ['monitor'], indices: indices.filter(({ names }) => names.length > 0) };
}

async function privileges(
  name: string,
  replications: readonly Replication[],
  { inspection }: OpenCluster,
  signal: AbortSignal,
): Promise<Look> {
  const needs = needsOf(name, replications);
  const lacking = await inspection.lacking(needs, signal);
  if (lacking === undefined) return { outcome: 'ok', detail: 'the cluster has no security' };
  if (lacking.length > 0)
    throw failed('forbidden', {
      op: 'look at privileges',
      cluster: name,
      reason: `the key lacks ${lacking.join(', ')}`,
    });
  if (needs.indices.length === 0)
    return { outcome: 'ok', detail: 'monitor on the cluster; nothing is followed here yet, so no index was looked at' };
  if (!needs.indices.some(({ names }) => names.includes(POSITIONS_INDEX)))
    return { outcome: 'ok', detail: 'all that a leader needs' };
  const guard = await inspection.lacking({ cluster: ['manage_ingest_pipelines'], indices: [] }, signal);
  if (guard === undefined || guard.length === 0) return { outcome: 'ok', detail: 'all that a follower needs' };
  return {
    outcome: 'warn',
    detail: 'no manage_ingest_pipelines: followers get no write guard',
    hint: 'Grant it, or give nobody else the privilege to write to followers.',
  };
}
