import type { Translated } from '..';
import type { messages as english } from '../en/diagrams';

export const messages: Translated<typeof english> = {
  cellLabel: '{cell} 셀의 그림',
  open: '{gate} = 평균 {value} (0 닫힘, 1 열림)',
  noDrawing: '이 셀의 그림은 아직 없습니다.',
  noEquations: '이 셀의 식은 아직 적혀 있지 않습니다.',
  meaning: {
    forget: '옛 상태를 얼마나 남길지',
    forgetPeephole: '옛 상태를 직접 보고 얼마나 남길지',
    inputPeephole: '옛 상태를 직접 보고 새 값을 얼마나 들일지',
    outputPeephole: '새 상태를 직접 보고 얼마나 내보일지',
    forgetCoupled: '옛 상태를 얼마나 남길지. 나머지는 새 값으로 채움',
    cellNeverForgets: '기억 그 자체. 한 번 든 것은 지워지지 않음',
    input: '새 값을 얼마나 들일지',
    candidate: '새 값 그 자체',
    output: '얼마나 내보일지',
    cell: '기억 그 자체',
    hidden: '다음 층이 보는 값',
    reset: '새 값을 만들 때 옛 상태를 얼마나 쓸지',
    update: '옛 상태를 얼마나 남길지',
    blend: 'z로 섞은 옛 값과 새 값',
    share: '두 게이트의 비율대로 섞은 옛 값과 새 값',
    updateNew: '새 값을 얼마나 받아들일지. 나머지는 옛 상태로 남음',
    candidatePositive: '새 값 그 자체. 0보다 작아지지 않음',
    attentionScore: 'j번째 상태가 t번째 스텝에 얼마나 맞는지',
    attentionWeight: '그 몫. 한 스텝의 몫을 모두 더하면 1',
    attentionContext: '가중치를 곱해 더한 상태',
    attentionOutput: '출력층이 보는 값',
    simple: '한꺼번에 섞음. 옛 상태를 지키는 게이트가 없음',
  },
};
