export { openManifest } from './open.js';
export { parseLine } from './parse-line.js';
export { type ReadLinesOptions, readLines } from './read-lines.js';
export { removeSpools } from './stores/stdin.js';
export type { OpenOptions } from './stores/store.js';
export type {
  Compression,
  LineItem,
  LineProblem,
  Manifest,
  ParsedLine,
  Position,
  RawLine,
  Source,
} from './types.js';
