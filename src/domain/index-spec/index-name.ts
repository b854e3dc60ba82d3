/** Characters an index name may not hold, and those that would make it a pattern, a list, a date expression or a remote name. */
const forbidden = ['\\', '/', '*', '?', '"', '<', '>', '|', ',', ' ', '#', ':'];
const BYTES_MAX = 255;

/** Why a name is none of a concrete index; undefined when it is one. */
export function indexNameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name === '.' || name === '..') return 'is . or ..';
  const character = forbidden.find((one) => name.includes(one));
  if (character !== undefined) return `holds '${character}'`;
  if (/^[-_+]/.test(name)) return 'starts with -, _ or +';
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'holds a control character'; // oxlint-disable-line no-control-regex
  if (name !== name.toLowerCase()) return 'holds upper-case letters';
  if (new TextEncoder().encode(name).length > BYTES_MAX) return `is longer than ${BYTES_MAX} bytes`;
  return undefined;
}
