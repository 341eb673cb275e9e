/** Words that a shell takes as they are. */
const BARE = /^[\w@%+=:,./-]+$/;

const word = (text: string) => (BARE.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);

/** A command line that can be given to a shell again. */
export const commandText = (argv: readonly string[]): string => ['asg-ingest', ...argv].map(word).join(' ');
