import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RedisClient } from './connection.js';

export type ScriptArgument = string | number | Buffer;

/** A script of Redis from a `.lua` file. */
export interface RedisScript {
  /** The script's text, with the files that it includes. */
  readonly lua: string;
  /** Its name as an ioredis command, for `pipeline()[command](keys.length, ...keys, ...args)`: `asg` + the file's name. */
  readonly command: string;
  /**
   * Defines the command on a client. `run` does this by itself; for a pipeline, call it before the pipeline is opened.
   */
  define(redis: RedisClient): void;
  /** Sent by its hash, and in full when the server does not know it. Keys of one call share a hash tag. */
  run(redis: RedisClient, keys: readonly string[], args?: readonly ScriptArgument[]): Promise<unknown>;
}

/**
 * Reads a script that lies beside its module: `defineScript(new URL('./settle.lua', import.meta.url))`. A line `---
 * @include "parts/counts.lua"` (relative to the file that has it) includes that file, once.
 *
 * ioredis sends a command again when the connection broke before the answer came: a script must be harmless when it
 * runs twice with the same arguments.
 *
 * @throws {Error} a file is missing
 */
export function defineScript(file: URL): RedisScript {
  const lua = readLua(file, new Set());
  const command = commandName(file);
  const known = new WeakSet<RedisClient>();
  const define = (redis: RedisClient): void => {
    if (known.has(redis)) return;
    redis.defineCommand(command, { lua });
    known.add(redis);
  };
  return {
    lua,
    command,
    define,
    run(redis, keys, args = []) {
      define(redis);
      const client = redis as unknown as Record<string, (...all: unknown[]) => Promise<unknown>>;
      const call = client[command];
      if (call === undefined) throw new Error(`the client knows no ${command}`);
      // As lists, which the client flattens: a run of many sources has more keys than a call takes arguments.
      return call.call(redis, keys.length, [...keys], [...args]);
    },
  };
}

const INCLUDE = /^--- @include "([^"\n]+)"[ \t]*$/gm;

function readLua(file: URL, seen: Set<string>): string {
  if (seen.has(file.href)) return '';
  seen.add(file.href);
  return readFileSync(file, 'utf8').replace(INCLUDE, (_line, path: string) =>
    readLua(new URL(path, file), seen).trimEnd(),
  );
}

/** `take-slots.lua` becomes `asgTakeSlots`. */
function commandName(file: URL): string {
  const words = basename(fileURLToPath(file), '.lua').split('-');
  return `asg${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`;
}
