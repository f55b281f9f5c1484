import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const providerLibrary: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime_providers_cuda.so',
  win32: 'onnxruntime_providers_cuda.dll',
};

/**
 * What stands between ONNX Runtime and CUDA before anything is tried, as a plain sentence; null = nothing known.
 * Looking first keeps the runtime's own error lines off standard error.
 */
export async function cudaObstacle(folder: string): Promise<string | null> {
  const library = providerLibrary[process.platform];
  if (library === undefined) return 'CUDA is not available on this platform.';
  if (!(await exists(join(folder, library)))) return `ONNX Runtime's CUDA provider is not installed: ${library} is missing in ${folder}.`;
  const missing = await missingLibraries(join(folder, library));
  return missing.length > 0 ? missingStatement(missing) : null;
}

/** Why a session on CUDA could not be made, as a plain sentence. */
export async function explainCudaFailure(folder: string, message: string): Promise<string> {
  const missing = await missingLibraries(join(folder, providerLibrary[process.platform] ?? ''));
  if (missing.length > 0) return missingStatement(missing);
  if (/no CUDA-capable device|CUDA failure 100/i.test(message)) return 'No CUDA device was found on this machine.';
  if (/driver version is insufficient|CUDA failure 35/i.test(message)) return 'The NVIDIA driver is older than this CUDA provider needs.';
  return `CUDA could not be used: ${message.split('\n')[0]}`;
}

function missingStatement(missing: string[]): string {
  if (missing.includes('libcuda.so.1')) return 'No NVIDIA driver was found: libcuda.so.1 is missing.';
  return `CUDA libraries are missing: ${missing.join(', ')}.`;
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
