import { randomBytes } from 'node:crypto';
import type { Random } from '../../ports/random.ts';

export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => randomBytes(16).toString('base64url'),
};
