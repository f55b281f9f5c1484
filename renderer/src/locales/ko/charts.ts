import type { Translated } from '..';
import type { messages as english } from '../en/charts';

export const messages: Translated<typeof english> = {
  plates: '시간에 따른 게이트와 상태',
  signals: { f: '망각', i: '입력', g: '후보', o: '출력', c: '셀 상태', h: '은닉 상태', r: '리셋', z: '갱신', n: '후보' },
  openness: '열림',
  state: '상태',
  unit: '유닛 {unit}',
  atCharacter: 't {step}, 글자 {character}',
  atStep: 't {step}, {name} {value}',
  missing: '값 없음',
  notFinite: 'NaN 또는 ∞ {count}개',
  meanOverUnits: '이 스텝의 모든 유닛 평균',
  mean: '평균',
  copyValues: '값 복사',
  copyBrushed: '이 구간의 값 복사',
  showAll: '전체 보기',
  zoomHint: 'Enter로 확대, 두 번 누르면 전체 보기',
  saveChart: '차트 복사 또는 저장',
  save: { png: 'PNG로 저장…', svg: 'SVG로 저장…', csv: '값을 CSV로 저장…' },
};
