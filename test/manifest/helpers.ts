import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import {
  openManifest,
  type Position,
  type RawLine,
  readLines,
  type Source,
} from '../../src/manifest/index.js';

export const START: Position = { line: 0, offset: 0 };

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'asg-manifest-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An HTTP server on a free port, closed when the test ends; resolves to its URL without a trailing slash. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function onlySource(
  spec: string,
  options: Parameters<typeof openManifest>[1] = {},
): Promise<Source> {
  const { sources } = await openManifest(spec, options);
  const [source] = sources;
  if (source === undefined || sources.length !== 1) throw new Error(`${sources.length} sources`);
  return source;
}

export async function allLines(
  source: Source,
  from: Position = START,
  options: Parameters<typeof readLines>[2] = {},
): Promise<RawLine[]> {
  const lines: RawLine[] = [];
  for await (const batch of readLines(source, from, options)) lines.push(...batch);
  return lines;
}

export const textsOf = (lines: RawLine[]) => lines.map(({ text }) => text);
