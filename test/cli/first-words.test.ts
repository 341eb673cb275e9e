import { describe, expect, test } from 'vitest';
import { commandText } from '../../src/cli/command-text.js';
import { quietWaits } from '../../src/cli/quiet-waits.js';
import { reportOtherConsumers } from '../../src/cli/report-other-consumers.js';
import { createLogger } from '../../src/lib/logging.js';
import { oddNames } from '../../src/manifest/odd-names.js';
import { collector } from './harness.js';

test('a command is written so that a shell reads the same words again', () => {
  expect(
    commandText(['run', 'a b.jsonl', '--question', "Who's?", '--options', 'a,b', '--rate', '10/s']),
  ).toBe(String.raw`asg-ingest run 'a b.jsonl' --question 'Who'\''s?' --options a,b --rate 10/s`);
});

describe('--quiet', () => {
  test('a long wait is told once, and its end; a short one not at all', () => {
    const { stream, text } = collector();
    let time = 0;
    const update = quietWaits(stream, () => time);
    const wait = { waiting_for: 'gateway', message: 'cannot reach it' } as const;
    const none = { waiting_for: null, message: null };
    update(wait);
    time += 4_999;
    update(wait);
    update(none);
    expect(text()).toBe('');
    update(wait);
    time += 5_000;
    update(wait);
    time += 60_000;
    update(wait);
    update(none);
    expect(text()).toBe(
      'asg-ingest: waiting for gateway: cannot reach it\nasg-ingest: no longer waiting for gateway\n',
    );
  });

  test("a wait of the user's own making is not told", () => {
    const { stream, text } = collector();
    let time = 0;
    const update = quietWaits(stream, () => time);
    for (; time < 60_000; time += 1_000) update({ waiting_for: 'hours', message: 'until 22:00' });
    expect(text()).toBe('');
  });
});

describe('company', () => {
  const start = () => {
    const notes: string[] = [];
    let time = 0;
    const tell = reportOtherConsumers(
      (text) => notes.push(text),
      () => time,
    );
    return { notes, tell, pass: (ms: number) => (time += ms) };
  };

  test('who comes later is told at once, each time once', () => {
    const { notes, tell } = start();
    for (const processes of [1, 2, 2, 3, 2, 3]) tell(processes);
    expect(notes.map((note) => note.slice(0, 24))).toEqual([
      'another process works on',
      '2 other processes work o',
      '2 other processes work o',
    ]);
  });

  test('what is there from the start is told when it has not gone after 5 s: it may have been killed', () => {
    const { notes, tell, pass } = start();
    tell(2);
    pass(4_000);
    tell(2);
    expect(notes).toEqual([]);
    pass(1_000);
    tell(2);
    expect(notes).toHaveLength(1);
    const ghost = start();
    ghost.tell(2);
    ghost.pass(4_000);
    ghost.tell(1);
    ghost.pass(4_000);
    ghost.tell(1);
    expect(ghost.notes).toEqual([]);
  });
});

test('files of a folder whose names do not say JSON lines; a pattern has chosen its own', () => {
  const usual = ['a.jsonl', 'b/c.ndjson.gz', 'part-00001', 'd.JSON', 'e.jsonl.zst'];
  expect(oddNames('in/', usual)).toBeNull();
  expect(oddNames('in/', [...usual, 'x.txt'])).toContain('1 of them not named .jsonl: x.txt;');
  expect(oddNames('s3://b/in/*', ['1.csv', '2.csv', '3.csv', '4.csv'])).toContain(
    'none is named .jsonl: 1.csv, 2.csv, 3.csv, …;',
  );
  expect(oddNames('in/', ['x.txt'])).toMatch(/^its only file is read as JSON lines/);
  expect(oddNames('in/*.txt', ['x.txt'])).toBeNull();
  expect(oddNames('x.txt', ['x.txt'])).toBeNull();
});

test('the log for people: time, level and words on one line, and no line that a value has made up', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLogger({ level: 'info', pretty: true, destination });
  log.warn({ run: 'r' }, 'Redis refuses\nasg-ingest: all is well');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /^\[\d\d:\d\d:\d\d\] WARN: Redis refuses\n {4}asg-ingest: all is well \{"run":"r"\}\n$/,
  );
});
