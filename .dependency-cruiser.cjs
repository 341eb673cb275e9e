/**
 * The rule of imports: a folder of `src` imports only folders that stand below it here. Types count too.
 * `npm run check:imports` checks it, `npm run docs:imports` draws it.
 */
const FOLDERS = [
  'cli',
  'webhooks',
  'web',
  'pipeline',
  'sandbox',
  'plan',
  'consumers',
  'producers',
  'results',
  'queues',
  'runs',
  'metrics',
  'manifest',
  'budget',
  'config',
  'redis',
  'gateway',
  'lib',
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment: 'Two files that import each other cannot be read one after the other.',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    ...FOLDERS.slice(1).map((folder, index) => ({
      name: `${folder}-imports-up`,
      comment: `${folder} stands below ${FOLDERS.slice(0, index + 1).join(', ')}.`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: `^src/(${FOLDERS.slice(0, index + 1).join('|')})/` },
    })),
    {
      name: 'every-file-has-a-room',
      comment: 'Only the entry of the library and its list of types lie at the top of src.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: `^src/(?!(${FOLDERS.join('|')})/|(index|public-types)\\.ts$)` },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
