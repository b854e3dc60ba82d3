import { z } from 'zod';

/** Cross-field checks run even when a field has a fault, so that every fault is told at once. */
export const always = { when: ({ value }: { value: unknown }) => typeof value === 'object' && value !== null };

export function address(schemes: readonly string[], about: string) {
  const expected = `expected an address such as ${schemes[0]}://127.0.0.1`;
  return z
    .string({ error: expected })
    .meta({ description: about })
    .superRefine((text, context) => {
      const url = URL.parse(text);
      if (url === null || !schemes.includes(url.protocol.slice(0, -1)) || url.hostname === '')
        context.addIssue(`${expected} (${schemes.join(' or ')})`);
      else if (url.username !== '' || url.password !== '')
        context.addIssue('credentials do not belong into an address; give them in their own keys');
      else if (url.search !== '' || url.hash !== '') context.addIssue('an address has no ? or # part');
    });
}

export const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.preprocess(
    (value) => (Array.isArray(value) ? value : [value]),
    z.array(item).min(1, { error: 'expected at least one' }),
  );

export const secret = (about: string) =>
  z
    .string()
    .min(1, { error: 'is empty' })
    .regex(/^[^\p{Cc}]*$/u, { error: 'holds a line break or another control character' })
    .meta({ description: about, secret: true });

export const caFile = z
  .string()
  .min(1, { error: 'is empty' })
  .meta({ description: 'PEM file of the authority that signed the certificate; relative to this file.' });
