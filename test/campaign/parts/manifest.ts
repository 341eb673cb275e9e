import type { Random } from './random.js';

/** Metadata that is easily lost on the way: numbers past a double, spaces, escapes, doubled names. */
const HARD_METADATA = [
  '{"id":9007199254740993}',
  '{ "big" : 1e400 }',
  '{"zero":-0.0,"one":1.0}',
  '{"é":"\\u00e9","emoji":"\\ud83d\\ude00"}',
  '{"same":1,"same":2}',
  '[1,"two",null,[]]',
  '"text"',
  '0.1000',
];
const BAD_LINES = ['nonsense', '{"data_url":', '[]', '{"metadata":1}', '{"data_url":"ftp://x"}', '"x"'];

/**
 * Mostly plain lines, with some of each kind that a manifest may hold.
 *
 * @param repeats whether some lines ask what an earlier one has asked, so that they share its task; else every data_url
 * is there once
 */
export function makeManifest(random: Random, lines: number, repeats: boolean): string {
  const texts: string[] = [];
  for (let n = 1; n <= lines; n += 1)
    texts.push(lineOf(random, repeats && n > 1 && random.chance(0.03) ? random.int(1, n - 1) : n));
  return `${texts.join('\n')}\n`;
}

function lineOf(random: Random, n: number): string {
  if (random.chance(0.01)) return '';
  if (random.chance(0.01)) return random.pick(BAD_LINES);
  const members = [`"data_url":"https://images.example.org/${n}.jpg"`];
  if (random.chance(0.05)) members.push(`"metadata":${random.pick(HARD_METADATA)}`);
  else if (random.chance(0.9)) members.push(`"metadata":{"sku":"SKU-${n}","shelf":${n % 97}}`);
  if (random.chance(0.03)) members.push('"label_spec":{"question":"Whose?","options":["mine","yours"]}');
  if (random.chance(0.02)) members.push('"consensus_threshold":5');
  if (random.chance(0.02)) members.push(`"idempotency_key":"own-${n}"`);
  return `{${members.join(',')}}`;
}
