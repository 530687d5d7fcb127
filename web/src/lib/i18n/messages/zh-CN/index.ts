// All Chinese texts, loaded when somebody reads Chinese.
import app from './app';
import parts from './parts';

const messages: Record<string, string> = { ...app, ...parts };
export default messages;
