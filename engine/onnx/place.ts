import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkName, isTaken, nameTaken, outputPlace, uniqueName } from '../workspace';

/** Where exports lie: in their run's folder, or where the user says; the report beside the file. */

export const extension = '.onnx';
export const reportSuffix = '.onnx.report.json';

export interface Place {
  id: string;
  /** As it was asked for. */
  path: string;
  /** What is written: where `path` leads. */
  file: string;
  report: string;
}

/** Where the file goes: the given path, the given name if it is free, or a free name after the run. */
export async function choosePlace(request: { out: string | null; name: string | null; stateful: boolean; gates: boolean }, run: string, folder: string): Promise<Place> {
  const { out } = request;
  if (out !== null) return { id: `${run}/${basename(out, extension)}`, path: out, file: await outputPlace(out), report: await outputPlace(`${out}.report.json`) };
  const own = (name: string): Place => {
    const path = join(folder, `${name}${extension}`);
    return { id: `${run}/${name}`, path, file: path, report: `${path}.report.json` };
  };
  const taken = (await namesIn(folder)).filter((file) => file.endsWith(extension)).map((file) => basename(file, extension));
  if (request.name !== null) {
    const name = checkName(request.name);
    if (isTaken(name, taken)) throw nameTaken(name);
    return own(name);
  }
  return own(uniqueName(`${run}${request.stateful ? '-stateful' : ''}${request.gates ? '-gates' : ''}`.slice(0, 76), taken));
}

/** Names in a folder, none where there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
