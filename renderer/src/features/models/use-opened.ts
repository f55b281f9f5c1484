import { ref, shallowRef, watch, type Ref } from 'vue';
import type { ErrorShape, OpenedModel } from '../../../../engine/contracts';
import { useToasts } from '../../stores/toasts';
import { useWorkbench } from '../../stores/workbench';

export interface OpenedFile {
  model: OpenedModel | null;
  error: ErrorShape | null;
}

/** What every opened ONNX file holds, read once per path. */
export function useOpened(paths: Ref<string[]>): Ref<Map<string, OpenedFile>> {
  const files = shallowRef(new Map<string, OpenedFile>());
  const wanted = ref(new Set<string>());
  const put = (path: string, file: OpenedFile): void => {
    files.value = new Map(files.value).set(path, file);
  };
  watch(
    paths,
    (now) => {
      for (const path of now) {
        if (wanted.value.has(path)) continue;
        wanted.value.add(path);
        useWorkbench()
          .call('exports.open', { path })
          .then((model) => put(path, { model, error: null }))
          .catch((error: unknown) => put(path, { model: null, error: useToasts().fail(error) }));
      }
    },
    { immediate: true },
  );
  return files;
}
