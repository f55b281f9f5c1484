/** Words of the application menu. */
export interface MenuTexts {
  file: string;
  importData: string;
  openModel: string;
  settings: string;
  edit: string;
  undo: string;
  redo: string;
  cut: string;
  copy: string;
  paste: string;
  selectAll: string;
  view: string;
  data: string;
  model: string;
  train: string;
  models: string;
  palette: string;
  zoomIn: string;
  zoomOut: string;
  zoomReset: string;
  fullScreen: string;
  run: string;
  startTraining: string;
  pauseOrResume: string;
  stopAndKeep: string;
  window: string;
  minimize: string;
  close: string;
  help: string;
  log: string;
  copyDiagnostics: string;
  about: string;
  hide: string;
  hideOthers: string;
  showAll: string;
  quit: string;
  services: string;
}

const en: MenuTexts = {
  file: 'File',
  importData: 'Import Data…',
  openModel: 'Open ONNX Model…',
  settings: 'Settings…',
  edit: 'Edit',
  undo: 'Undo',
  redo: 'Redo',
  cut: 'Cut',
  copy: 'Copy',
  paste: 'Paste',
  selectAll: 'Select All',
  view: 'View',
  data: 'Data',
  model: 'Model',
  train: 'Train',
  models: 'Models',
  palette: 'Command Palette…',
  zoomIn: 'Zoom In',
  zoomOut: 'Zoom Out',
  zoomReset: 'Actual Size',
  fullScreen: 'Full Screen',
  run: 'Run',
  startTraining: 'Start Training',
  pauseOrResume: 'Pause or Resume',
  stopAndKeep: 'Stop and Keep',
  window: 'Window',
  minimize: 'Minimize',
  close: 'Close',
  help: 'Help',
  log: 'Show Log',
  copyDiagnostics: 'Copy Diagnostics',
  about: 'About Sluice',
  hide: 'Hide Sluice',
  hideOthers: 'Hide Others',
  showAll: 'Show All',
  quit: 'Quit Sluice',
  services: 'Services',
};

const ko: MenuTexts = {
  file: '파일',
  importData: '데이터 가져오기…',
  openModel: 'ONNX 모델 열기…',
  settings: '설정…',
  edit: '편집',
  undo: '실행 취소',
  redo: '다시 실행',
  cut: '잘라내기',
  copy: '복사',
  paste: '붙여넣기',
  selectAll: '모두 선택',
  view: '보기',
  data: '데이터',
  model: '모델',
  train: '학습',
  models: '모델 파일',
  palette: '명령 팔레트…',
  zoomIn: '확대',
  zoomOut: '축소',
  zoomReset: '실제 크기',
  fullScreen: '전체 화면',
  run: '실행',
  startTraining: '학습 시작',
  pauseOrResume: '일시 정지 또는 계속',
  stopAndKeep: '중지하고 보관',
  window: '창',
  minimize: '최소화',
  close: '닫기',
  help: '도움말',
  log: '로그 보기',
  copyDiagnostics: '진단 정보 복사',
  about: 'Sluice 정보',
  hide: 'Sluice 가리기',
  hideOthers: '나머지 가리기',
  showAll: '모두 보기',
  quit: 'Sluice 종료',
  services: '서비스',
};

export type Language = 'en' | 'ko';

/** The language in use: the setting, or the system's where it is one of ours. */
export function languageOf(setting: 'system' | Language, systemLanguage: string): Language {
  if (setting !== 'system') return setting;
  return /^ko\b/i.test(systemLanguage) ? 'ko' : 'en';
}

export const menuTexts: Record<Language, MenuTexts> = { en, ko };

/** Words of the dialogs that ask for a file. */
export const dialogTexts: Record<Language, { data: string; onnx: string; input: string; weights: string; all: string; folder: string }> = {
  en: { data: 'Text and tables', onnx: 'ONNX models', input: 'Inputs of a model', weights: 'Weights', all: 'All files', folder: 'Choose a workspace folder' },
  ko: { data: '텍스트와 표', onnx: 'ONNX 모델', input: '모델 입력', weights: '가중치', all: '모든 파일', folder: '작업 폴더 선택' },
};
