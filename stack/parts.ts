/** What each part of the stack is made of: its tools, its ports, its recipe. */
import { type Account, closedFolder } from './account.ts';
import { type Download, elasticsearchHome, natsServer, zipkinJar } from './downloads.ts';
import { type ElasticsearchOptions, elasticsearchRecipe } from './elasticsearch.ts';
import type { Guard } from './guard.ts';
import { ELASTICSEARCH_JAVA, findJdk, systemJavaParents, ZIPKIN_JAVA } from './jdk.ts';
import { natsRecipe } from './nats.ts';
import type { PortPicker } from './ports.ts';
import type { ServerRecipe } from './server-process.ts';
import { zipkinRecipe } from './zipkin.ts';

export type PartName = 'leader' | 'follower' | 'nats' | 'zipkin';

type Tools = {
  readonly elasticsearch?: { readonly home: string; readonly javaHome: string };
  readonly nats?: { readonly program: string };
  readonly zipkin?: { readonly jar: string; readonly javaHome: string };
};

export type ToolsNeeded = {
  readonly parts: readonly PartName[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly account: Account | undefined;
  readonly download: Download;
};

/** Finds or downloads what the parts run on. A missing JDK is told before anything is downloaded. */
export async function prepareTools({ parts, environment, account, download }: ToolsNeeded): Promise<Tools> {
  const search = { environment, parents: systemJavaParents() };
  const elasticsearch = parts.includes('leader') || parts.includes('follower');
  const zipkin = parts.includes('zipkin');
  const mayUse = (home: string): boolean => account === undefined || closedFolder(home) === undefined;
  const elasticsearchJava = elasticsearch ? findJdk({ ...search, minimum: ELASTICSEARCH_JAVA, mayUse }) : undefined;
  const zipkinJava = zipkin ? findJdk({ ...search, minimum: ZIPKIN_JAVA }) : undefined;
  const [home, program, jar] = await Promise.all([
    elasticsearch ? elasticsearchHome(download) : undefined,
    parts.includes('nats') ? natsServer(download) : undefined,
    zipkin ? zipkinJar(download) : undefined,
  ]);
  return {
    ...(home && elasticsearchJava && { elasticsearch: { home, javaHome: elasticsearchJava } }),
    ...(program && { nats: { program } }),
    ...(jar && zipkinJava && { zipkin: { jar, javaHome: zipkinJava } }),
  };
}

export type Preparation = {
  readonly part: PartName;
  readonly folder: string;
  readonly tools: Tools;
  readonly picker: PortPicker;
  readonly guard: Guard;
  readonly account: Account | undefined;
  readonly options: ElasticsearchOptions;
};

/** Picks the part's ports and prepares its folder. The leader's HTTP port is 9200 where free, the follower's 9201. */
export async function preparePart({
  part,
  folder,
  tools,
  picker,
  guard,
  account,
  options,
}: Preparation): Promise<ServerRecipe> {
  if (part === 'nats' && tools.nats) {
    return natsRecipe({
      folder,
      program: tools.nats.program,
      clientPort: await picker(4222),
      monitorPort: await picker(8222),
    });
  }
  if (part === 'zipkin' && tools.zipkin) return zipkinRecipe({ folder, ...tools.zipkin, port: await picker(9411) });
  if ((part === 'leader' || part === 'follower') && tools.elasticsearch) {
    const offset = part === 'leader' ? 0 : 1;
    const ports = { httpPort: await picker(9200 + offset), transportPort: await picker(9300 + offset) };
    return elasticsearchRecipe({ name: part, folder, ...tools.elasticsearch, ...ports, account, guard, options });
  }
  throw new Error(`no tools were prepared for ${part}`);
}
