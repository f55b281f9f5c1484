import { usePreferredDark, usePreferredReducedMotion } from '@vueuse/core';
import { defineStore } from 'pinia';
import { computed, ref, watchEffect } from 'vue';
import type { Settings } from '../../../engine/contracts';
import { shellBridge } from '../bridge';
import { setLanguage, type Language } from '../locales';
import { useToasts } from './toasts';

/** Preferences; what they decide is applied to the document at once. */
export const useSettings = defineStore('settings', () => {
  const current = ref<Settings>({ language: 'system', theme: 'system', motion: 'system', threads: null, device: 'cpu', workspace: null });
  const systemLanguage = ref(navigator.language);
  const prefersDark = usePreferredDark();
  const reducedMotion = usePreferredReducedMotion();

  const language = computed<Language>(() => {
    const wanted = current.value.language === 'system' ? systemLanguage.value : current.value.language;
    return wanted.toLowerCase().startsWith('ko') ? 'ko' : 'en';
  });
  const theme = computed(() => (current.value.theme === 'system' ? (prefersDark.value ? 'dark' : 'light') : current.value.theme));
  const motion = computed(() => current.value.motion !== 'off' && reducedMotion.value !== 'reduce');

  async function load(): Promise<void> {
    const [settings, info] = await Promise.all([shellBridge().call('settings.get', {}), shellBridge().call('app.info', {})]);
    systemLanguage.value = info.systemLanguage;
    current.value = settings;
  }

  /** Shows a change at once and takes it back if it could not be kept. */
  async function change(changes: Partial<Settings>): Promise<void> {
    const before = current.value;
    current.value = { ...before, ...changes };
    try {
      current.value = await shellBridge().call('settings.set', changes);
    } catch (error) {
      current.value = before;
      useToasts().fail(error);
    }
  }

  function apply(): void {
    watchEffect(() => {
      const root = document.documentElement;
      root.dataset['theme'] = theme.value;
      root.dataset['motion'] = motion.value ? 'on' : 'off';
      setLanguage(language.value);
    });
  }

  return { current, language, theme, motion, load, change, apply };
});
