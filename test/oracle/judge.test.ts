import { describe, expect, test } from 'vitest';
import { BROKEN } from './broken.js';
import type { Evidence } from './evidence.js';
import { judge } from './judge.js';
import { evidenceOf, output } from './output.js';
import { rawMembers } from './raw-json.js';

const kindsOf = (evidence: Evidence) => [...new Set(judge(evidence).map(({ kind }) => kind))].sort();

describe('the judge', () => {
  test('finds nothing wrong with a run that kept its promises', () => {
    expect(judge(evidenceOf(output()))).toEqual([]);
  });

  test.each(BROKEN)('names %s', (_name, alter, kinds) => {
    const broken = output();
    alter(broken);
    expect(kindsOf(evidenceOf(broken))).toEqual([...kinds].sort());
  });

  test('names a summary that is not there, and one that was printed otherwise', () => {
    const evidence = evidenceOf(output());
    expect(kindsOf({ ...evidence, reported: '{}' })).toEqual(['reported_summary']);
    evidence.files.delete('summary.json');
    expect(kindsOf(evidence)).toEqual(['summary_missing']);
  });

  test('lets pass what a cancelled run leaves, and not what it bought', () => {
    const broken = output();
    broken.results.pop();
    const evidence = evidenceOf(broken);
    expect(kindsOf({ ...evidence, allowed: { unread: true } })).toContain('unreported_task');
    expect(kindsOf({ ...evidence, allowed: { unread: true } })).not.toContain('missing_line');
  });
});

test('the judge tells gold lines from others', () => {
  const made = output();
  const [first = ''] = made.manifest;
  const gold = `{"data_url":${JSON.stringify(JSON.parse(first).data_url)},"metadata":${rawMembers(first).get('metadata')},"gold":"cat"}`;
  const evidence = evidenceOf(made);
  const sources = [...evidence.sources, { name: 'gold', text: gold, gold: true as const }];
  const kinds = kindsOf({ ...evidence, sources });
  // No row of the gold line, and rows that do not say that they are none.
  expect(kinds).toEqual(['missing_line', 'wrong_gold']);
  made.summary.gold = { lines: 1, agreed: 1, disagreed: 0, failed: 0 };
  expect(kindsOf(evidenceOf({ ...made, summary: { ...made.summary, parts: [] } }))).toEqual(['summary_gold']);
});

test('members of an object keep their bytes', () => {
  const text = '{ "a\\"b" : [1, {"x":"}"}] ,"n":1e400,"s":"\\u00e9","n": -0.0 }';
  expect([...rawMembers(text)]).toEqual([
    ['a"b', '[1, {"x":"}"}]'],
    ['n', '-0.0'],
    ['s', '"\\u00e9"'],
  ]);
  expect([...rawMembers(' {} ')]).toEqual([]);
});
