import type { JobCredentials } from '../../gateway/types.js';
import type { Customer, Spec } from '../records.js';

/** How a job ended; times in epoch ms. */
export interface JobEnd {
  status: 'completed' | 'failed';
  ended: number;
  tasks: number;
  rejected: number;
  error: string | null;
}

/** The permanent part of a job. */
export interface JobProfile {
  id: string;
  /** Without its query, which may be a signature. */
  manifestUrl: string;
  /** The manifest's whole URL and the credentials, encrypted (`JobSecrets`). */
  sealed: string;
  /** The bucket that takes the results. */
  bucket: string | null;
  created: number;
}

export interface Job extends JobProfile {
  customer: Customer;
  spec: Spec;
  end: JobEnd | null;
  /** For a job under way: whether its manifest is being read, when its tasks settle, which lines were no task. */
  started: boolean;
  settles: number[];
  rejected: number;
}

export interface JobSecrets {
  manifest_url: string;
  credentials: JobCredentials | null;
}

/** Reads the manifests of jobs, buys their tasks, and delivers the results. */
export interface Jobs {
  start(job: Job): void;
  /** Jobs under way stop where they are; the next start goes on with them. */
  close(): Promise<void>;
}
