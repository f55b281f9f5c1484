export const messages = {
  cellLabel: 'Diagram of a {cell} cell',
  open: '{gate} = {value} on average (0 shut, 1 open)',
  noDrawing: 'There is no drawing of this cell yet.',
  noEquations: 'The equations of this cell are not written out here yet.',
  meaning: {
    forget: 'how much of the old state to keep',
    input: 'how much of the new to let in',
    candidate: 'what the new is',
    output: 'how much to show',
    cell: 'the memory itself',
    hidden: 'what the next layer sees',
    reset: 'how much of the old state the new one may use',
    update: 'how much of the old state to keep',
    blend: 'old and new, mixed by z',
    simple: 'everything at once: no gate protects the old state',
  },
};
