import { failed, type Failure } from '../domain/failure.ts';

/** As `engines` of package.json says, which npm only warns of. */
export const NODE_MAJOR_MIN = 24;

/** Undefined when this version of Node can run Slipstream. */
export function nodeFault(version: string): Failure | undefined {
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) return undefined;
  return failed('node_too_old', {
    op: 'start Node',
    reason: `Node ${NODE_MAJOR_MIN} or newer is needed, this is v${version} (${process.execPath})`,
  }).failure;
}
