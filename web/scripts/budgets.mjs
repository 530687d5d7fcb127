// Holds the build to its budgets, of bytes and of time: `node scripts/budgets.mjs` after `npm run build`. With `--bytes` only the
// bytes. A machine with other work gets more time, by its load; SLOWNESS=2 says by how much. With `--alone`, where nothing else runs, no
// frame may be dropped.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { preview, runnerImport } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.env.WAXWING_WEB_OUT ?? `${root}dist`;
const isAlone = process.argv.includes('--alone');
const slowness = Number(process.env.SLOWNESS ?? Math.max(1, (loadavg()[0] ?? 0) / availableParallelism()));
if (!existsSync(`${out}/index.html`)) {
  console.error('There is no build yet: npm run build');
  process.exit(2);
}

const read = (path) => readFileSync(`${out}/${path.replace(/^\//, '')}`);
const packed = (paths) => [...paths].reduce((sum, path) => sum + gzipSync(read(path), { level: 9 }).length, 0) / 1000;

/** What the browser has to load before the page can do anything: what the page names, and what that imports at once. */
const page = read('index.html').toString();
const styles = new Set([...page.matchAll(/href="(\/assets\/[^"]+\.css)"/g)].map((match) => match[1]));
const scripts = new Set([...page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((match) => match[1]));
for (const path of scripts) {
  for (const [, file] of read(path).toString().matchAll(/(?:^|[;}\s])(?:import|export)\s*(?:[\w*{}\s,$]+from\s*)?["']\.\/([^"']+\.js)["']/g)) scripts.add(`/assets/${file}`);
}

const results = [
  { what: 'scripts at the start, packed', value: packed(scripts), unit: 'kB', budget: 150 },
  { what: 'styles at the start, packed', value: packed(styles), unit: 'kB', budget: 30 },
];

if (!process.argv.includes('--bytes')) {
  const server = await preview({ root, logLevel: 'error', build: { outDir: out }, preview: { host: '127.0.0.1', port: 0 } });
  const url = server.resolvedUrls?.local[0] ?? '';
  const { module } = await runnerImport(`${root}e2e/budgets.ts`, { root, configFile: false, logLevel: 'error', resolve: { alias: { $lib: `${root}src/lib` } } });
  for (const result of await module.measure(url)) {
    // Frames are dropped on a machine that has other work, whatever the page does.
    const budget = isAlone ? (result.strict ?? result.budget) : result.budget;
    results.push({ ...result, budget: result.unit === 'ms' ? budget * slowness : budget });
  }
  await server.close();
}

if (slowness > 1) console.log(`The machine is busy or slow: times may be ${slowness.toFixed(1)} times as long.`);
let isOver = false;
for (const { what, value, unit, budget } of results) {
  const over = value > budget;
  isOver ||= over;
  console.log(`${over ? 'OVER ' : 'ok   '} ${value.toFixed(1).padStart(8)} ${unit} of ${budget}: ${what}`);
}
process.exit(isOver ? 1 : 0);
