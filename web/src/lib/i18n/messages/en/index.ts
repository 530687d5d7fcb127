// All English texts: the ones of which the keys are made, and to which every other language falls back.
import app from './app';
import parts from './parts';

const messages = { ...app, ...parts } as const;
export default messages;
