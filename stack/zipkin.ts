import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { httpStatus } from './probe.ts';
import type { ServerRecipe } from './server-process.ts';

export type ZipkinNode = {
  readonly folder: string;
  readonly jar: string;
  readonly javaHome: string;
  readonly port: number;
};

const READY_WITHIN_MS = 120_000;

/** How to start Zipkin with its traces in memory. `armeria.ports` is what binds it to loopback; `server.address` alone does not. */
export async function zipkinRecipe({ folder, jar, javaHome, port }: ZipkinNode): Promise<ServerRecipe> {
  await mkdir(folder, { recursive: true });
  const url = `http://127.0.0.1:${port}`;
  const java = [
    '-Xms64m',
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    `-Djava.io.tmpdir=${folder}`,
    '-jar',
    jar,
  ];
  const listen = [
    '--armeria.ports[0].ip=127.0.0.1',
    `--armeria.ports[0].port=${port}`,
    '--armeria.ports[0].protocols[0]=http',
  ];
  return {
    name: 'zipkin',
    url,
    file: join(javaHome, 'bin', 'java'),
    args: [...java, '--server.address=127.0.0.1', ...listen],
    env: { QUERY_PORT: String(port), STORAGE_TYPE: 'mem' },
    cwd: folder,
    logFile: join(folder, 'out.log'),
    readyWithinMs: READY_WITHIN_MS,
    ready: async () => (await httpStatus({ url: `${url}/health` })) === 200,
  };
}
