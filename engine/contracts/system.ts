export interface SystemInfo {
  version: string;
  workspace: string;
  /** Instruction set in use: `avx512`, `avx2`, `neon` or `portable`. */
  kernel: string;
  cores: number;
  threadsDefault: number;
  /** Resident bytes of the engine host. */
  memoryBytes: number;
  totalMemoryBytes: number;
  freeDiskBytes: number;
  node: string;
  platform: string;
}

export interface LogLine {
  time: string;
  level: 'info' | 'warning' | 'error';
  source: 'engine' | 'window' | 'shell';
  message: string;
}

/** Progress of a long job that is not a run (imports, exports, inference). */
export interface JobProgress {
  job: string;
  kind: 'import' | 'export' | 'infer' | 'rateTest';
  title: string;
  phase: string;
  /** 0…1, null when unknown. */
  share: number | null;
  rate: string | null;
  secondsLeft: number | null;
}
