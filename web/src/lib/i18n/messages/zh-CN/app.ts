// The application's own texts in Chinese.
import type en from '../en/app';

export default {} satisfies Record<keyof typeof en, string>;
