import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DeviceObstacle } from '../contracts';

const run = promisify(execFile);

const providerLibrary: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime_providers_cuda.so',
  win32: 'onnxruntime_providers_cuda.dll',
};

/**
 * What stands between ONNX Runtime and CUDA before anything is tried; null = nothing known.
 * Looking first keeps the runtime's own error lines off standard error.
 */
export async function cudaObstacle(folder: string): Promise<DeviceObstacle | null> {
  const library = providerLibrary[process.platform];
  if (library === undefined) return { code: 'PLATFORM', detail: process.platform };
  if (!(await exists(join(folder, library)))) return { code: 'PROVIDER_MISSING', detail: join(folder, library) };
  return missingObstacle(await missingLibraries(join(folder, library)));
}

/** Why a session on CUDA could not be made. */
export async function explainCudaFailure(folder: string, message: string): Promise<DeviceObstacle> {
  const missing = missingObstacle(await missingLibraries(join(folder, providerLibrary[process.platform] ?? '')));
  if (missing) return missing;
  const detail = message.split('\n')[0] ?? '';
  if (/no CUDA-capable device|CUDA failure 100\b/i.test(message)) return { code: 'NO_DEVICE', detail };
  if (/driver version is insufficient|CUDA failure 35\b/i.test(message)) return { code: 'DRIVER_OLD', detail };
  return { code: 'OTHER', detail };
}

/** The obstacle as a plain English sentence. */
export function obstacleStatement({ code, detail }: DeviceObstacle): string {
  switch (code) {
    case 'PLATFORM':
      return 'CUDA is not available on this platform.';
    case 'PROVIDER_MISSING':
      return `ONNX Runtime's CUDA provider is not installed: ${detail} is missing.`;
    case 'DRIVER_MISSING':
      return `No NVIDIA driver was found: ${detail} is missing.`;
    case 'LIBRARIES_MISSING':
      return `CUDA libraries are missing: ${detail}.`;
    case 'NO_DEVICE':
      return 'No CUDA device was found on this machine.';
    case 'DRIVER_OLD':
      return 'The NVIDIA driver is older than this CUDA provider needs.';
    case 'OTHER':
      return `CUDA could not be used: ${detail.replace(/\.?$/, '.')}`;
  }
}

function missingObstacle(missing: string[]): DeviceObstacle | null {
  const driver = missing.find((name) => name === 'libcuda.so.1');
  if (driver) return { code: 'DRIVER_MISSING', detail: driver };
  return missing.length > 0 ? { code: 'LIBRARIES_MISSING', detail: missing.join(', ') } : null;
}

/** Names of shared libraries that the dynamic linker does not find; empty where `ldd` cannot tell. */
async function missingLibraries(library: string): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  try {
    const { stdout } = await run('ldd', [library], { timeout: 10_000 });
    return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name!);
  } catch {
    return [];
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
