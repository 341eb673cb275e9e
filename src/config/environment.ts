/** Removes empty variables: they count as missing in this process, in its libraries and in its children. */
export function dropEmpty(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) if (value === '') delete env[name];
}
