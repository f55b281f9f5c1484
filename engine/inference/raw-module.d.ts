/** A module's source as text (a Vite feature, the same in bundles and in tests). */
declare module '*.cjs?raw' {
  const source: string;
  export default source;
}
