import { IngestError } from '../lib/errors.js';
import type { Manifest } from '../manifest/index.js';

/** A line of a source, and the byte that it begins at. */
export type Place = readonly [line: number, offset: number];

/** The lines of a manifest that a pilot takes. By source. */
export interface Chosen {
  /** Non-blank lines that the source has. */
  lines: number[];
  /** In order. */
  places: Place[][];
}

export const chosenLines = ({ places }: Chosen): number => sum(places.map((some) => some.length));
export const manifestLines = ({ lines }: Chosen): number => sum(lines);

const sum = (values: readonly number[]) => values.reduce((total, n) => total + n, 0);

const MOST_NAME = 64;

/** A pilot's run id follows from that of the run which it is a pilot of. */
export function pilotId(of: string, lines: number): string {
  const id = `${of}.pilot-${lines}`;
  if (id.length <= MOST_NAME) return id;
  throw new IngestError('usage', `--run-id: ${of} is too long for a pilot, which is named ${id}`, {
    hint: `give one of ${MOST_NAME - (id.length - of.length)} characters at most; nothing was sent`,
  });
}

/** Beside the results of the full run, since a directory holds only one run. */
export function pilotOut(out: string, lines: number): string {
  const place = out.replace(/\/+$/, '');
  const isBucket = /^[a-z0-9]+:\/\/[^/]*$/i.test(place);
  return `${place}${isBucket ? '/' : '-'}pilot-${lines}`;
}

/** @throws IngestError `usage` for standard input, which can be read only as it comes */
export function refuseStream({ uri }: Pick<Manifest, 'uri'>): void {
  if (uri !== '-') return;
  throw new IngestError(
    'usage',
    '--pilot: standard input cannot be used: a pilot takes lines from all of the manifest, and then reads it again',
    { hint: 'write it to a file first; nothing was sent' },
  );
}
