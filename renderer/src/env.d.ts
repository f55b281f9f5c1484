/// <reference types="vite/client" />
declare module 'pretendard/dist/web/variable/*.css';
declare module '@fontsource-variable/inter';
declare module '@fontsource-variable/jetbrains-mono';
