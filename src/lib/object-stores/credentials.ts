/** The credentials of a bucket: S3's keys, or a Google service account's key file as text. */
export type StoreCredentials =
  | { access_key_id: string; secret_access_key: string; region: string }
  | { service_account_json: string };
