import { describe, expect, test } from 'vitest';
import { BROKEN } from './broken.js';
import type { Evidence } from './evidence.js';
import { findProblems } from './find-problems.js';
import { evidenceOf, output } from './output.js';
import { rawMembers } from './raw-json.js';

const kindsOf = (evidence: Evidence) => [...new Set(findProblems(evidence).map(({ kind }) => kind))].sort();

describe('the oracle', () => {
  test('finds nothing wrong with a run that kept its promises', () => {
    expect(findProblems(evidenceOf(output()))).toEqual([]);
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

describe('of a run that builds on an earlier one, the oracle', () => {
  /** Lines 1 and 2 are those of the earlier run `q`; `carry` has their rows. */
  function incremental(carry: boolean): Evidence {
    const before = evidenceOf(output());
    const rows = output();
    const kept = rows.results.map((row, at) =>
      at < 2 ? row.replace('"bought_by":null', '"bought_by":"q"') : row,
    );
    const all = evidenceOf(output());
    const earlier: Evidence = {
      ...before,
      asked: { ...before.asked, runId: 'q' },
      sources: [{ name: null, text: rows.manifest.slice(0, 2).join('\n') }],
      files: new Map([['results-q-00001.jsonl', Buffer.from(`${rows.results.slice(0, 2).join('\n')}\n`)]]),
    };
    const costs = rows.results.map((row) => (JSON.parse(row) as { cost_sats: number }).cost_sats);
    const out = { ...output(), results: carry ? kept : kept.slice(2) };
    out.summary.cost_sats = costs.slice(2).reduce((sum, cost) => sum + cost, 0);
    if (carry) out.summary.carried = 2;
    else {
      Object.assign(out.summary, { settled: 4, unchanged: 2 });
      for (const row of rows.results.slice(0, 2)) {
        const { consensus_label: label } = JSON.parse(row) as { consensus_label: string };
        out.summary.labels[label] = (out.summary.labels[label] ?? 0) - 1;
        if (out.summary.labels[label] === 0) delete out.summary.labels[label];
      }
    }
    return { ...evidenceOf(out), asked: { ...all.asked, carry }, earlier: [earlier] };
  }

  test.each([true, false])('finds nothing wrong (carry: %s)', (carry) => {
    expect(findProblems(incremental(carry))).toEqual([]);
  });

  test('names a row that was to be carried, or was not to be, or says that another run bought it', () => {
    const [whole, lean] = [incremental(true), incremental(false)];
    expect(kindsOf({ ...whole, asked: { ...whole.asked, carry: false } })).toContain('unchanged_row');
    expect(kindsOf({ ...lean, asked: { ...lean.asked, carry: true } })).toContain('missing_line');
    expect(kindsOf({ ...whole, earlier: [] })).toContain('wrong_carry');
    const again = {
      ...lean.tasks[0],
      task_id: 'tsk_77',
      idempotency_key: 'r-0-1',
    } as Evidence['tasks'][number];
    expect(kindsOf({ ...lean, tasks: [...lean.tasks, again] })).toEqual(['extra_task']);
  });
});

test('the oracle tells gold lines from others', () => {
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
