import { boolean, text } from './define-option.js';

/** Options of the stores that manifests are read from, and results written to. */
export const stores = {
  s3Endpoint: text({
    describe: "an S3 service other than Amazon's, in path style",
    default: null,
    env: 'AWS_ENDPOINT_URL_S3',
    placeholder: 'url',
  }),
  gcsEndpoint: text({
    describe: 'a Google Cloud Storage emulator',
    default: null,
    env: 'STORAGE_EMULATOR_HOST',
    placeholder: 'url',
  }),
  requesterPays: boolean({
    describe: 'pay for the requests to buckets whose owners ask for that (S3)',
  }),
};
