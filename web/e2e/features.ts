// Two people at browsers and one on profanity go through every feature of the client: `features BINARY [FOLDER] [LOOK…] [NAME…]`.
// Each group of features is played in one look of its own; WAXWING_LOOKS=all plays every group in all of them. LOOK is one such
// as phone-dark-zh-CN, and a NAME takes the features that contain it.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { closeBrowser } from './browser';
import { CONNECTION } from './features/connection';
import { FILES } from './features/files';
import { KEYS } from './features/keys';
import { READING } from './features/reading';
import { ROOMS } from './features/rooms';
import { SELF } from './features/self';
import { WRITING } from './features/writing';
import { LOOKS, nameOf, type Look } from './looks';
import { Profanity } from './profanity';
import { Server } from './server';
import { Stage, type Accounts, type Feature } from './stage';

/** The groups, and the look that each is played in where no other is asked for. */
const GROUPS: readonly { name: string; look: string; features: readonly Feature[] }[] = [
  { name: 'writing', look: 'wide-light-en', features: WRITING },
  { name: 'reading', look: 'wide-light-en', features: READING },
  { name: 'rooms', look: 'wide-light-en', features: ROOMS },
  { name: 'files', look: 'wide-light-en', features: FILES },
  { name: 'self', look: 'wide-light-en', features: SELF },
  { name: 'keys', look: 'wide-light-en', features: KEYS },
  { name: 'connection', look: 'wide-light-en', features: CONNECTION },
];

/** The looks that a group is played in. */
function looksOf(own: string, wanted: readonly Look[]): readonly Look[] {
  if (wanted.length > 0) return wanted;
  return process.env.WAXWING_LOOKS === 'all' ? LOOKS : LOOKS.filter((look) => nameOf(look) === own);
}

/** The checklist in the docs and the features here are the same. */
function checkList(): void {
  const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| ([^|]+?) \| `(\w+)` \|/gm)].filter(([, , group]) => GROUPS.some(({ name }) => name === group)).map(([, name, group]) => `${group}: ${name}`);
  const here = GROUPS.flatMap(({ name: group, features }) => features.map(({ name }) => `${group}: ${name}`));
  const differ = [...here.filter((line) => !listed.includes(line)).map((line) => `not in docs/testing.md: ${line}`), ...listed.filter((line) => !here.includes(line)).map((line) => `only in docs/testing.md: ${line}`)];
  if (differ.length > 0) throw new Error(differ.join('\n'));
}

/** Plays features in one look; what failed. */
async function play(stage: Stage, features: readonly Feature[]): Promise<string[]> {
  const failed: string[] = [];
  for (const feature of features) {
    const start = Date.now();
    const where = nameOf(stage.romeo.look);
    try {
      await feature.run(stage);
      console.log(`  ok      ${Date.now() - start} ms  ${where}: ${feature.name}`);
    } catch (error) {
      failed.push(`${where}: ${feature.name}`);
      console.log(`  FAILED  ${Date.now() - start} ms  ${where}: ${feature.name}\n${error instanceof Error ? error.stack : String(error)}`);
      await stage.shoot(`failed-${feature.name.replaceAll(/\W+/g, '-')}`).catch(() => undefined);
      for (const person of [stage.romeo, stage.juliet]) await person.home().catch(() => undefined);
    }
  }
  return failed;
}

export default async function features([binary = '', folder, ...rest]: string[]): Promise<void> {
  if (binary === '') throw new Error('features BINARY [FOLDER] [LOOK…] [NAME…]');
  checkList();
  const wanted = LOOKS.filter((look) => rest.includes(nameOf(look)));
  const names = rest.filter((word) => !LOOKS.some((look) => nameOf(look) === word));
  const isWanted = (group: string) => ({ name }: Feature): boolean => names.length === 0 || names.some((word) => group === word || name.includes(word));
  const server = await Server.start(binary);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
  const failed: string[] = [];
  let nurse: Profanity | undefined;
  try {
    const accounts: Accounts = {
      romeo: await server.user('romeo', 'Romeo Montague'),
      juliet: await server.user('juliet', 'Juliet Capulet'),
      nurse: await server.user('nurse', 'Angelica Nurse'),
    };
    nurse = await Profanity.open(accounts.nurse, server.xmpp);
    for (const group of GROUPS) {
      const chosen = group.features.filter(isWanted(group.name));
      for (const look of chosen.length > 0 ? looksOf(group.look, wanted) : []) {
        console.log(`${group.name}, ${nameOf(look)}`);
        const stage = await Stage.open(server, browser, accounts, nurse, look, folder);
        failed.push(...(await play(stage, chosen)));
        await stage.shoot(group.name);
        failed.push(...stage.complaints.map((line) => `${group.name}: the page complained: ${line}`));
        await stage.close();
      }
    }
  } finally {
    nurse?.close();
    await closeBrowser(browser);
    await server.stop();
  }
  if (failed.length > 0) throw new Error(`\n${[...new Set(failed)].join('\n')}`);
  console.log('Everything works.');
}
