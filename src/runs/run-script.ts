import { defineScript, type RedisScript } from '../redis/scripts.js';

/** A script of `runs/scripts`, by the name of its file. */
export const runScript = (name: string): RedisScript =>
  defineScript(new URL(`./scripts/${name}.lua`, import.meta.url));
