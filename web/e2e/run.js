// Runs a script of this folder, which is written in TypeScript: `node e2e/run.js two-people URL …`.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const [name, ...args] = process.argv.slice(2);
if (!name) {
  console.error('Which script? For example: node e2e/run.js two-people http://127.0.0.1:5280 …');
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const { module } = await runnerImport(`${root}e2e/${name}.ts`, {
  root,
  configFile: false,
  logLevel: 'error',
  resolve: { alias: { $lib: `${root}src/lib` } },
});
try {
  await module.default(args);
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
