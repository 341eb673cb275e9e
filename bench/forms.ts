/** How much each form of the bench measures. */
export interface Form {
  name: 'full' | 'quick';
  /** How many lines end to end, in how many rounds; the loops in memory only where `loops`. */
  endToEnd: { lines: number; rounds: number; loops: boolean }[];
  producing: { lines: number; rounds: number };
  inFlight: { lines: number; limitMs: number };
  oneLine: { rounds: number };
  version: { rounds: number };
  lowRate: { lines: number };
  reading: { lines: number; rounds: number };
  /** What the quick form leaves out is null. */
  profile: { lines: number } | null;
  growth: {
    lines: number[];
    inFlight: number[];
    processes: number[];
    linesOfProcesses: number;
    /** For each point (ms): 1,000,000 lines may take long. */
    linesLimitMs: number;
    limitMs: number;
  } | null;
}

export const full: Form = {
  name: 'full',
  endToEnd: [
    { lines: 20_000, rounds: 3, loops: true },
    { lines: 100_000, rounds: 3, loops: false },
  ],
  producing: { lines: 100_000, rounds: 3 },
  inFlight: { lines: 50_000, limitMs: 120_000 },
  oneLine: { rounds: 5 },
  version: { rounds: 9 },
  lowRate: { lines: 40 },
  reading: { lines: 200_000, rounds: 3 },
  profile: { lines: 20_000 },
  growth: {
    lines: [10_000, 100_000, 1_000_000],
    inFlight: [10_000, 100_000, 500_000],
    processes: [1, 2, 4],
    linesOfProcesses: 10_000,
    linesLimitMs: 420_000,
    limitMs: 180_000,
  },
};

/** Under three minutes. Its sizes are small, so start-up weighs more than it does in the full form. */
export const quick: Form = {
  name: 'quick',
  endToEnd: [{ lines: 5_000, rounds: 2, loops: true }],
  producing: { lines: 30_000, rounds: 2 },
  inFlight: { lines: 5_000, limitMs: 20_000 },
  oneLine: { rounds: 3 },
  version: { rounds: 5 },
  lowRate: { lines: 20 },
  reading: { lines: 100_000, rounds: 2 },
  profile: null,
  growth: null,
};
