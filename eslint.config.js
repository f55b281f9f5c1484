import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';
import { fence } from './scripts/lint/fence.mjs';

export default tseslint.config(
  { ignores: ['out/', '.cache/', 'node_modules/', 'test-results/', 'engine/native/', '**/*.d.ts'] },
  ...tseslint.configs.recommended,
  ...vue.configs['flat/essential'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: tseslint.parser, extraFileExtensions: ['.vue'] } },
  },
  {
    files: ['**/*.{ts,vue,mjs,js}'],
    plugins: { sluice: { rules: { fence } } },
    rules: {
      'sluice/fence': 'error',
      'no-console': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-undef': 'off',
      'no-eval': 'error',
      'no-new-func': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
    },
  },
  {
    files: ['renderer/**/*.{ts,vue}', 'electron/**/*.ts', 'engine/**/*.ts'],
    // Standard output belongs to the command line's answers; everything else has a log.
    ignores: ['engine/cli/**', '**/*.test.ts'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['renderer/**/*.vue'],
    // Screens are called Train or Data; one word is the right name for them.
    rules: { 'vue/multi-word-component-names': 'off', 'vue/no-v-html': 'off' },
  },
);
