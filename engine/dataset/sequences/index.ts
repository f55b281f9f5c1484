export { importSequences, isSequences } from './import';
export { looksLikePianoRoll, previewPianoRoll } from './piano-roll';
export { checkSequences, profileSequences, readSequences } from './read';
export { sequenceData } from './training';
