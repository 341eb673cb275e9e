/** An empty variable is one that is not set, for this process, what it loads and what it starts. */
export function dropEmpty(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) if (value === '') delete env[name];
}
