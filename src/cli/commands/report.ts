import { constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { usageError } from '../../lib/errors.js';
import { documentOf } from '../../web/pages/document.js';
import { readShown } from '../../web/pages/read-runs.js';
import { runPage } from '../../web/pages/run-page.js';
import { storeOptions } from '../option-groups.js';
import type { CommandDefinition } from '../program.js';
import { findRun, withStore } from '../session.js';

/** Somebody may have put a link under a name that can be guessed. A name that the user gives is used as it is. */
const OWN_NAME = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

export const report: CommandDefinition = {
  name: 'report',
  describe: "write a run's page as one HTML file to pass around; without a name the latest run's",
  args: [{ name: 'run', describe: 'run id', required: false }],
  options: [...storeOptions, 'outFile'],
  examples: ['asg-ingest report', 'asg-ingest report animals --out-file - | gzip > animals.html.gz'],
  run: ({ settings, args, log, io }) =>
    withStore(settings, log, async ({ redis, ...store }) => {
      const { prefix } = settings;
      const { id } = await findRun({ redis, ...store }, prefix, args[0]);
      const run = await readShown(redis, prefix, id);
      if (run === null) throw new Error(`run ${id} is gone`);
      const page = runPage(run, new Date().toISOString(), { alone: true });
      const text = documentOf(page, { alone: true });
      if (settings.outFile === '-') io.stdout.write(text);
      else {
        const file = path.resolve(io.cwd, settings.outFile ?? `report-${id}.html`);
        const flag = settings.outFile === null ? OWN_NAME : 'w';
        await writeFile(file, text, { flag }).catch((error: Error) => {
          throw usageError('--out-file', `${file} cannot be written: ${error.message}`, {
            hint: 'name another file, or - for standard output',
            cause: error,
          });
        });
        io.stdout.write(`${file}\n`);
      }
      return 0;
    }),
};
