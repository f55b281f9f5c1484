export const messages = {
  days: '{n} d',
  hours: '{n} h',
  minutes: '{n} min',
  seconds: '{n} s',
  milliseconds: '{n} ms',
  left: '{time} left',
  charactersPerSecond: 'char/s',
  valuesPerSecond: 'values/s',
};
