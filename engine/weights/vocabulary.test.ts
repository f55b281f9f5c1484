import fc from 'fast-check';
import { expect, it } from 'vitest';
import { byCharacter, parseVocabulary } from './vocabulary';

it('reads the forms that vocabularies have', () => {
  for (const json of ['["b","a","0"]', '{"b":0,"0":2,"a":1}', '{"0":"b","1":"a","2":"0"}', '{"version":"1.0","model":{"type":"WordLevel","vocab":{"b":0,"a":1,"0":2}}}']) expect(parseVocabulary(json)).toEqual(['b', 'a', '0']);
  for (const json of ['', '[1,2]', '["a","a"]', '{"a":0,"b":0}', '{"a":0,"b":2}', '{"a":-1}', '{"a":1e9}', 'null']) expect(parseVocabulary(json)).toBeNull();
});

it('never fails on what is none', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseVocabulary(text)));
});

it('brings rows into the order of the tokens', () => {
  const tensor = (name: string, shape: number[]) => ({ name, shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => k), source: name });
  const given = [tensor('embedding.weight', [3, 2]), tensor('recurrent.b_l0', [3]), tensor('head.bias', [3])];
  const { filled, problems, notes } = byCharacter(given, ['a', 'b', 'c'], ['c', 'a']);
  expect(problems).toEqual([]);
  expect(filled.map(({ shape, data }) => [shape, [...data]])).toEqual([[[2, 2], [4, 5, 0, 1]], [[3], [0, 1, 2]], [[2], [2, 0]]]);
  expect(notes[0]).toMatchObject({ code: 'BY_CHARACTER', details: { count: 2, dropped: 1 } });
  expect(byCharacter(given, ['a', 'b', 'c'], ['a', 'ㅎ']).problems[0]?.message).toContain('"ㅎ"');
});
