/** The fields that tasks have in common; kept once for all of them. */
export interface Spec {
  index: number;
  type: string;
  question: string;
  options: string[];
  threshold: number;
  callbackUrl: string | null;
}

/** Small, since there may be millions: its id follows from `sequence`. Times in epoch ms. */
export interface Task {
  sequence: number;
  customer: Customer;
  spec: Spec;
  dataUrl: string;
  key: string | null;
  created: number;
  settles: number;
}

export interface Webhook {
  id: string;
  url: string;
  secret: string;
  events: string[];
}

export interface Profile {
  id: string;
  name: string;
  email: string;
  tier: string;
  /** The digest of its API key, which is never kept. */
  keyHash: string;
  keyHint: string;
  created: number;
}

export interface Customer extends Profile {
  index: number;
  tasksByKey: Map<string, Task>;
  webhooks: Map<string, Webhook>;
  /** Tasks that were charged. */
  bought: number;
}
