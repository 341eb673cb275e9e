import { condition, countOrShare, text } from './define-option.js';

/** How good the labels are, and what is done about it. */
export const quality = {
  gold: text({
    describe: 'lines with known labels ("gold": "<label>"), mixed in to see how many are labelled right',
    default: null,
    placeholder: 'file',
  }),
  maxGoldErrors: countOrShare({
    describe: 'block the run past this many gold lines with another label (a share: from 20 answers on)',
    default: null,
  }),
  escalate: condition({
    describe:
      'ask a line once more, with the next odd number of labelers, when its answer is so, such as confidence<0.7',
    default: null,
  }),
};
