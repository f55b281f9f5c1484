/** What a rejected request says: its code, place and values, for words at the field or in the dialog it is about. */
export { errorShape } from '../bridge';
