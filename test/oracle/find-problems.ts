import { checkRows } from './check-rows.js';
import { checkSummary } from './check-summary.js';
import { checkTasks } from './check-tasks.js';
import type { Evidence } from './evidence.js';
import { manifestLines } from './manifest-lines.js';
import { readParts } from './parts.js';
import { KINDS, type Kind, type Problem } from './problem.js';
import { unchangedLines } from './settled-before.js';

export { type Allowed, type Asked, type Evidence, gatherEvidence } from './evidence.js';
export { KINDS, type Kind, type Problem } from './problem.js';

/**
 * Compares what a run has left (parts, `summary.json`) with its manifest and the local Gateway's own record. Resolves to
 * everything that is wrong: nothing, for a run that kept its promises. It uses no code of the pipeline, only the local
 * Gateway's rule for labels.
 */
export function findProblems(evidence: Evidence): Problem[] {
  const problems: Problem[] = [];
  const report = (kind: Kind, where: string, message: string = KINDS[kind]) => {
    problems.push({ kind, where, message });
  };
  const lines = manifestLines(evidence.sources, evidence.asked);
  const { parts, rows } = readParts(evidence, report);
  const unchanged = unchangedLines(evidence, lines);
  checkRows(evidence, lines, rows, unchanged, report);
  checkTasks(evidence, lines, rows, unchanged, report);
  checkSummary(evidence, parts, rows, unchanged.size, report);
  return problems;
}
