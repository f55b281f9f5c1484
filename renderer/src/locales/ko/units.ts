import type { Translated } from '..';
import type { messages as english } from '../en/units';

export const messages: Translated<typeof english> = {
  days: '{n}일',
  hours: '{n}시간',
  minutes: '{n}분',
  seconds: '{n}초',
  milliseconds: '{n}밀리초',
  left: '{time} 남음',
  charactersPerSecond: '글자/초',
  valuesPerSecond: '값/초',
};
