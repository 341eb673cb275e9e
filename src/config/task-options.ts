import { boolean, choice, integer, jsonFile, list, text } from './define-option.js';

/** Options that all lines of a run share; a line may override some of them. */
export const tasks = {
  taskType: text({ describe: 'type of each task', default: 'image_classification', placeholder: 'type' }),
  question: text({ describe: 'what the labelers are asked', default: null }),
  options: list({
    describe: 'the labels to choose from; --option <label> may be repeated instead',
    default: null,
  }),
  labelSpec: jsonFile({ describe: 'a JSON file of {question, options}', default: null }),
  consensusThreshold: integer({
    describe: "labelers that must agree (default: the Gateway's own)",
    default: null,
    min: 2,
    max: 10,
  }),
  key: text({
    describe: "what a line's idempotency key is made of: line, content, or a field such as metadata.sku",
    default: 'line',
    placeholder: 'line|content|field',
    pattern: /^[^\s.]+(\.[^\s.]+)*$/,
    expected: "line, content, or a field's path such as metadata.sku",
  }),
  onSameKey: choice(['fail', 'share'], {
    describe:
      'lines of one key that ask different things: fail all but the first, or give all the same label',
    default: 'fail',
  }),

  since: text({
    describe:
      'buy only what is new or changed against this earlier run: its name, or the place of its results, such as ./out/day1',
    default: null,
    only: 'flag',
    placeholder: 'run',
  }),
  carry: boolean({
    describe: "with --since: copy the earlier run's rows of unchanged lines, so that the results are whole",
    only: 'flag',
  }),
  map: list({
    describe:
      'takes a field of each line as another one, such as data_url=image_url or metadata.sku=product.id; may be repeated',
    default: null,
    placeholder: 'to=from',
    pattern: /^(data_url|metadata(\.[^\s=.]+)*|type|label_spec|consensus_threshold|idempotency_key)=[^\s=]+$/,
    expected:
      'a list of to=from, where to is data_url, metadata, metadata.<field>, type, label_spec, consensus_threshold or idempotency_key',
  }),
};
