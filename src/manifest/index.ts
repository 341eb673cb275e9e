export { type ContentDigest, type ContentSeen, contentDigest } from './content-digest.js';
export { type FieldMap, fieldMapOf } from './map-fields.js';
export { lookAt, lookAtAll, openManifest } from './open.js';
export { parseLine } from './parse-line.js';
export { rawField } from './raw-fields.js';
export { checkContent, displayName, type ReadLinesOptions, readHead, readLines } from './read-lines.js';
export { removeOrphanSpools, removeSpools, spoolDirOf } from './sources/stdin.js';
export type { OpenOptions } from './sources/store.js';
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
