import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { shownPath, type Fault } from './faults.ts';

const CERTIFICATE = '-----BEGIN CERTIFICATE-----';
const CREDENTIALS = '-----BEGIN NATS USER JWT-----';
/** What each file of the section `nats` must hold. */
const NATS_FILES: Readonly<Record<string, string>> = {
  caFile: CERTIFICATE,
  certFile: CERTIFICATE,
  keyFile: 'PRIVATE KEY-----',
  credentialsFile: CREDENTIALS,
  nkeyFile: 'SU',
  passwordFile: '',
  tokenFile: '',
};

type Path = readonly PropertyKey[];

function member(node: unknown, key: string): unknown {
  return typeof node === 'object' && node !== null && Object.hasOwn(node, key)
    ? (node as Record<string, unknown>)[key]
    : undefined;
}

function* namedFiles(tree: unknown): Generator<{ path: Path; file: string; marker: string }> {
  const clusters = member(tree, 'clusters');
  const places: (readonly [Path, unknown, string])[] = Object.entries(
    typeof clusters === 'object' && clusters !== null ? clusters : {},
  ).map(([name, cluster]) => [['clusters', name, 'caFile'], member(cluster, 'caFile'), CERTIFICATE] as const);
  const nats = member(tree, 'nats');
  for (const [key, marker] of Object.entries(NATS_FILES)) places.push([['nats', key], member(nats, key), marker]);
  for (const [path, file, marker] of places) if (typeof file === 'string' && file !== '') yield { path, file, marker };
}

/**
 * The texts of the files that a configuration names, by the path where it names them, relative to `base`. Works on a tree that may have
 * other faults, so that a missing file is told together with them.
 */
export async function readAttachments(
  tree: unknown,
  base: string,
): Promise<{ readonly texts: ReadonlyMap<string, string>; readonly faults: readonly Fault[] }> {
  const texts = new Map<string, string>();
  const faults: Fault[] = [];
  for (const { path, file, marker } of namedFiles(tree)) {
    const place = resolve(base, file);
    try {
      const text = await readFile(place, 'utf8');
      if (text.includes(marker) && text.trim() !== '') texts.set(shownPath(path), text);
      else if (marker === '') faults.push({ path, message: `${place} is empty` });
      else faults.push({ path, message: `${place} holds no ${marker}` });
    } catch (error) {
      faults.push({
        path,
        message: `${place} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'})`,
      });
    }
  }
  return { texts, faults };
}
