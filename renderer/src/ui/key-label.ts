import type { InjectionKey } from 'vue';

/** Keys as commands name them (`Mod+Z`) in the words of the platform; the window provides it. */
export const keyLabelOf: InjectionKey<(keys: string) => string> = Symbol('keyLabel');
