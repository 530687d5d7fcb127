// Tests the logic of the panes, and that each renders.
import { render } from 'svelte/server';
import { describe, expect, it } from 'vitest';
import type { Conversation, Poll, Preferences, QuietHours, Reaction } from '../api/types';
import DevicesPane from './DevicesPane.svelte';
import { byMonth, endingOf, fits, kindOf, type SharedFile } from './files';
import FilesList from './FilesList.svelte';
import { MOST_KEYWORDS, withKeywords } from './keywords';
import { isMuted, muteChoices } from './mute';
import NotificationSettings from './NotificationSettings.svelte';
import { bars, lastBars, loudness, recordingName, recordingType } from './peaks';
import ProfileCard from './ProfileCard.svelte';
import { checked, KEYCAPS, reactionsAfter, resultOf } from './poll';
import PollCard from './PollCard.svelte';
import { isQuiet, minutesOf, nextChange, wallClock, zones } from './quiet';
import { dateValue, momentOf, presets, timeValue } from './schedule';
import { caps, foundShortcuts, usualShortcuts } from './shortcuts';
import { fitted, kept, LARGEST, wheelFactor, WHOLE, zoomed } from './zoom';

describe('quiet hours', () => {
  const night: QuietHours = { days: [1, 2, 3, 4, 5], from: '20:00', to: '08:00', zone: 'Asia/Shanghai' };
  /** A moment by the clocks of Shanghai; 23 November 2026 is a Monday. */
  const at = (day: number, hour: number, minute = 0): number => Date.UTC(2026, 10, day, hour - 8, minute);

  it('go on after midnight and belong to the day on which they begin', () => {
    expect(isQuiet(night, at(23, 19, 59))).toBe(false);
    expect(isQuiet(night, at(23, 20))).toBe(true);
    expect(isQuiet(night, at(24, 7, 59))).toBe(true);
    expect(isQuiet(night, at(24, 8))).toBe(false);
    // Friday night reaches into Saturday; Saturday night is not chosen; nor was Sunday night.
    expect(isQuiet(night, at(28, 3))).toBe(true);
    expect(isQuiet(night, at(28, 21))).toBe(false);
    expect(isQuiet(night, at(30, 3))).toBe(false);
  });

  it('may lie within a day, or last all of it', () => {
    const lunch = { ...night, from: '12:00', to: '13:30' };
    expect(isQuiet(lunch, at(23, 12))).toBe(true);
    expect(isQuiet(lunch, at(23, 13, 30))).toBe(false);
    const all = { ...night, from: '00:00', to: '00:00' };
    expect(isQuiet(all, at(23, 15))).toBe(true);
    expect(isQuiet(all, at(28, 15))).toBe(false);
  });

  it('know when they change', () => {
    expect(nextChange(night, at(23, 12, 34))).toBe(at(23, 20));
    expect(nextChange(night, at(23, 23))).toBe(at(24, 8));
    expect(nextChange(night, at(28, 12))).toBe(at(30, 20));
    expect(nextChange({ ...night, from: '10:07', to: '10:11' }, at(23, 9))).toBe(at(23, 10, 7));
    expect(nextChange({ ...night, days: [] }, at(23, 12))).toBeUndefined();
    expect(nextChange({ ...night, days: [0, 1, 2, 3, 4, 5, 6], from: '05:00', to: '05:00' }, at(23, 12))).toBeUndefined();
  });

  it('bear what is not a time and not a zone', () => {
    for (const time of ['24:00', '8:00', '08:60', '', 'x']) expect(minutesOf(time)).toBeUndefined();
    expect(minutesOf('23:59')).toBe(1439);
    expect(isQuiet({ ...night, from: 'x' }, at(23, 21))).toBe(false);
    expect(() => isQuiet({ ...night, zone: 'Nowhere/Never' }, at(23, 21))).not.toThrow();
    expect(wallClock(at(29, 0), 'Asia/Shanghai')).toEqual({ day: 0, minute: 0 });
    expect(zones().length).toBeGreaterThan(0);
  });
});

describe('keywords', () => {
  it('are apart at commas, each once', () => {
    expect(withKeywords(['deploy'], ' Release , deploy,发布，上线; Deploy  now')).toEqual(['deploy', 'Release', '发布', '上线', 'Deploy now']);
    expect(withKeywords(['a'], '  ,, ')).toEqual(['a']);
    expect(withKeywords([], Array.from({ length: 80 }, (_, i) => `w${i}`).join(',')).length).toBe(MOST_KEYWORDS);
    expect([...(withKeywords([], '😀'.repeat(100))[0] ?? '')].length).toBe(64);
  });
});

describe('muting', () => {
  it('offers the evening while it is not near', () => {
    const day = (hour: number): number => new Date(2026, 10, 29, hour).getTime();
    expect(muteChoices(day(10)).map((c) => c.id)).toEqual(['hour', 'evening', 'tomorrow', 'week', 'ever']);
    expect(muteChoices(day(17)).map((c) => c.id)).toEqual(['hour', 'tomorrow', 'week', 'ever']);
    expect(muteChoices(day(10)).find((c) => c.id === 'tomorrow')?.until_ms).toBe(new Date(2026, 10, 30, 8).getTime());
  });

  it('ends in time', () => {
    expect(isMuted(undefined, 5)).toBe(false);
    expect(isMuted(0, 5)).toBe(true);
    expect(isMuted(6, 5)).toBe(true);
    expect(isMuted(5, 5)).toBe(false);
  });
});

describe('polls', () => {
  const poll: Poll = { question: 'When?', options: ['Mon', 'Tue', 'Wed'], multiple: false };
  const reactions: Reaction[] = [
    { emoji: '1⃣', by: ['a', 'b'] },
    { emoji: '2️⃣', by: ['b', 'me'] },
    { emoji: '👍', by: ['me'] },
    { emoji: '9️⃣', by: ['c'] },
  ];

  it('count one vote of each person, and the first of several', () => {
    const { options, people } = resultOf(poll, reactions, 'me');
    expect(options.map((o) => o.by)).toEqual([['a', 'b'], ['me'], []]);
    expect(options.map((o) => o.mine)).toEqual([false, true, false]);
    expect(options.map((o) => o.leads)).toEqual([true, false, false]);
    expect(people).toBe(3);
    expect(options[0]?.share).toBeCloseTo(2 / 3);
  });

  it('count all votes where several are allowed', () => {
    const { options, people } = resultOf({ ...poll, multiple: true }, reactions, 'me');
    expect(options.map((o) => o.by.length)).toEqual([2, 2, 0]);
    expect(people).toBe(3);
    expect(resultOf(poll, [], 'me')).toMatchObject({ people: 0, options: [{ share: 0, leads: false }, {}, {}] });
  });

  it('turn a choice into reactions, and keep the others', () => {
    expect(reactionsAfter(poll, reactions, 'me', 0)).toEqual(['👍', '1️⃣']);
    expect(reactionsAfter(poll, reactions, 'me', 1)).toEqual(['👍']);
    expect(reactionsAfter({ ...poll, multiple: true }, reactions, 'me', 2)).toEqual(['👍', '2️⃣', '3️⃣']);
    expect(reactionsAfter({ ...poll, multiple: true }, reactions, 'a', 0)).toEqual([]);
    expect(reactionsAfter(poll, reactions, 'me', 5)).toEqual(['2️⃣', '👍']);
    expect(KEYCAPS).toHaveLength(10);
  });

  it('are checked before they are sent', () => {
    expect(checked(' When? ', ['a', ' ', 'b '], true)).toEqual({ poll: { question: 'When?', options: ['a', 'b'], multiple: true } });
    expect(checked(' ', ['a', 'b'], false)).toEqual({ error: 'question' });
    expect(checked('x', ['a', ''], false)).toEqual({ error: 'options' });
    expect(checked('x', ['a', 'A '], false)).toEqual({ error: 'same' });
  });
});

describe('sending later', () => {
  const sunday = new Date(2026, 10, 29, 10, 2).getTime();

  it('offers moments that come, each once', () => {
    expect(presets(sunday).map((p) => p.id)).toEqual(['hour', 'evening', 'tomorrow', 'afternoon']);
    expect(presets(new Date(2026, 10, 30, 22).getTime()).map((p) => p.id)).toEqual(['hour', 'tomorrow', 'afternoon', 'monday']);
    expect(presets(sunday)[0]?.at_ms).toBe(new Date(2026, 10, 29, 11, 5).getTime());
    expect(presets(new Date(2026, 10, 30, 9).getTime()).find((p) => p.id === 'monday')?.at_ms).toBe(new Date(2026, 11, 7, 9).getTime());
  });

  it('reads the fields', () => {
    expect(momentOf('2026-11-30', '09:15', sunday)).toEqual({ at_ms: new Date(2026, 10, 30, 9, 15).getTime() });
    expect(momentOf('2026-11-29', '10:02', sunday)).toEqual({ error: 'past' });
    expect(momentOf('2028-11-29', '10:02', sunday)).toEqual({ error: 'far' });
    for (const [date, time] of [['', '10:00'], ['2026-02-30', '10:00'], ['2026-11-30', '25:00'], ['x', 'y']] as const) expect(momentOf(date, time, sunday)).toEqual({ error: 'invalid' });
    expect(dateValue(sunday)).toBe('2026-11-29');
    expect(timeValue(sunday)).toBe('10:02');
  });
});

describe('zooming', () => {
  const frame = { width: 1000, height: 500 };
  const shown = fitted({ width: 4000, height: 1000 }, frame);

  it('fits large pictures and leaves small ones', () => {
    expect(shown).toEqual({ width: 1000, height: 250 });
    expect(fitted({ width: 100, height: 50 }, frame)).toEqual({ width: 100, height: 50 });
    expect(fitted({ width: 0, height: 0 }, frame)).toEqual({ width: 0, height: 0 });
  });

  it('keeps the point under the pointer', () => {
    const view = zoomed(WHOLE, 4, { x: 100, y: 50 }, shown, frame);
    expect(view).toEqual({ scale: 4, x: -300, y: -150 });
    // The point of the picture that was under the pointer still is.
    expect((100 - view.x) / view.scale).toBeCloseTo(100);
  });

  it('stays between the whole and the largest, and in the window', () => {
    expect(zoomed(WHOLE, 0.1, { x: 0, y: 0 }, shown, frame)).toEqual(WHOLE);
    expect(zoomed(WHOLE, 1000, { x: 0, y: 0 }, shown, frame).scale).toBe(LARGEST);
    expect(kept({ scale: 2, x: 9999, y: 9999 }, shown, frame)).toEqual({ scale: 2, x: 500, y: 0 });
    expect(zoomed({ scale: 2, x: 500, y: 0 }, 0.5, { x: 0, y: 0 }, shown, frame)).toEqual(WHOLE);
  });

  it('turns the wheel gently, whatever the device', () => {
    expect(wheelFactor(100, 0)).toBeLessThan(1);
    expect(wheelFactor(-100, 0)).toBeGreaterThan(1);
    expect(wheelFactor(-1e6, 0)).toBeLessThan(2);
    expect(wheelFactor(3, 1)).toBeCloseTo(wheelFactor(48, 0));
  });
});

describe('recordings', () => {
  it('have as many bars as wanted', () => {
    expect(bars([0.1, 0.9, 0.2, 0.3], 2)).toEqual([0.9, 0.3]);
    expect(bars([0.5], 3)).toEqual([0.5, 0.5, 0.5]);
    expect(bars([], 2)).toEqual([0, 0]);
    expect(bars(Array.from({ length: 7000 }, () => 0.4), 48)).toHaveLength(48);
    expect(lastBars([1, 2], 4)).toEqual([0, 0, 1, 2]);
    expect(lastBars([1, 2, 3], 2)).toEqual([2, 3]);
  });

  it('are as loud as they are', () => {
    expect(loudness([])).toBe(0);
    expect(loudness([0, 0])).toBe(0);
    expect(loudness([0.01, -0.01])).toBeGreaterThan(0.05);
    expect(loudness([1, -1])).toBe(1);
  });

  it('have a type and a name', () => {
    expect(recordingType((type) => type.startsWith('audio/mp4'))).toBe('audio/mp4');
    expect(recordingType(() => false)).toBeUndefined();
    expect(recordingName('audio/webm;codecs=opus', new Date(2026, 0, 2, 3, 4, 5))).toBe('voice-20260102-030405.webm');
    expect(recordingName('audio/mp4', new Date(2026, 0, 2))).toMatch(/\.m4a$/);
  });
});

describe('files', () => {
  const file = (name: string, type: string, at: Date): SharedFile => ({ attachment: { url: `/f/${name}`, name, type, bytes: 1 }, message: name, from: { address: 'a@b.example', name: 'Anna' }, at_ms: at.getTime() });
  const all = [file('a.png', 'image/png', new Date(2026, 10, 5)), file('report.pdf', 'application/octet-stream', new Date(2026, 10, 1)), file('x.zip', 'application/zip', new Date(2026, 9, 30)), file('v.webm', 'audio/webm', new Date(2025, 9, 30))];

  it('are of a kind', () => {
    expect(all.map((f) => kindOf(f.attachment))).toEqual(['image', 'document', 'archive', 'audio']);
    expect(kindOf({ type: 'image/svg+xml', name: 'a.svg' })).toBe('document');
    expect(kindOf({ type: 'text/plain;charset=utf-8', name: 'a' })).toBe('document');
    expect(kindOf({ type: '', name: 'a' })).toBe('other');
    expect(endingOf('Bericht.final.PDF')).toBe('PDF');
    expect(endingOf('noending')).toBe('');
  });

  it('are found by kind, name and sender', () => {
    expect(all.filter((f) => fits(f, 'media', '')).length).toBe(1);
    expect(all.filter((f) => fits(f, 'all', 'REP')).length).toBe(1);
    expect(all.filter((f) => fits(f, 'other', 'anna')).length).toBe(1);
  });

  it('stand under their months', () => {
    expect(byMonth(all).map((m) => m.files.length)).toEqual([2, 1, 1]);
  });
});

describe('shortcuts', () => {
  it('are written as the system does', () => {
    expect(caps('Mod+Shift+X', false)).toEqual([['Ctrl', 'Shift', 'X']]);
    expect(caps('Mod+K', true)).toEqual([['⌘', 'K']]);
    expect(caps('Alt+Up / Alt+Down', false)).toEqual([['Alt', '↑'], ['Alt', '↓']]);
    expect(caps('Mod++', false)).toEqual([['Ctrl', '+']]);
  });

  it('are found', () => {
    const groups = usualShortcuts();
    expect(foundShortcuts(groups, '')).toHaveLength(groups.length);
    expect(foundShortcuts(groups, 'previous unread conv').flatMap((g) => g.shortcuts.map((s) => s.keys))).toEqual(['Alt+Shift+Up / Alt+Shift+Down']);
    expect(foundShortcuts(groups, 'zzz')).toEqual([]);
    for (const group of groups) expect(new Set(group.shortcuts.map((s) => s.label)).size).toBe(group.shortcuts.length);
  });
});

describe('the panes', () => {
  const nothing = (): undefined => undefined;
  const preferences: Preferences = {
    theme: 'system', density: 'comfortable', enter_sends: true, notify: 'mentions', keywords: ['deploy'], sound: true, desktop: true, previews_in_push: false, open_at: 'last_read', sections: [], auto_away_minutes: 10, client: {},
    quiet_hours: { days: [1, 2], from: '20:00', to: '08:00', zone: 'Europe/Berlin' },
  };
  const room: Conversation = { address: 'r@rooms.example', kind: 'room', name: 'Releases', seen: 0, unread: 0, mentions: 0, settings: { muted_until_ms: 0 } };

  it('render what they are given, as text', () => {
    expect(render(ProfileCard, { props: { person: { address: 'a@b.example', name: '<b>Anna' }, onmessage: nothing } }).body).toContain('&lt;b>Anna');
    expect(render(DevicesPane, { props: { devices: [{ id: '1', name: 'Laptop', client: 'Waxwing', face: 'json', last_seen_ms: 0, online: true, current: true }], onend: nothing, onendothers: nothing } }).body).toContain('This device');
    const settings = render(NotificationSettings, { props: { preferences, conversations: [room], permission: 'denied', onchange: nothing, onconfigure: nothing } }).body;
    for (const text of ['deploy', 'Releases', 'Muted', 'aria-pressed="true"']) expect(settings).toContain(text);
    expect(render(FilesList, { props: { files: [], onopen: nothing } }).body).toContain('No files yet');
    expect(render(PollCard, { props: { poll: { question: 'When?', options: ['a', 'b'], multiple: true }, own: 'me', onvote: nothing } }).body).toMatch(/role="checkbox" aria-checked="false"/);
  });
});
