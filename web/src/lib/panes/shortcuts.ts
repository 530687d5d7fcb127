// The keys of the client, as the help lists them, written as the system writes them.
import { t, type Key } from '../i18n';

export interface Shortcut {
  /** Keys joined by “+”, alternatives apart at “ / ”; `Mod` is Ctrl, or Command on a Mac. */
  keys: string;
  label: string;
}

export interface ShortcutGroup {
  title: string;
  shortcuts: Shortcut[];
}

const GROUPS: [title: Key, shortcuts: [keys: string, label: Key][]][] = [
  [
    'keys.moving',
    [
      ['Mod+K', 'keys.switch'],
      ['Alt+Up / Alt+Down', 'keys.conversations'],
      ['Alt+Shift+Up / Alt+Shift+Down', 'keys.unread'],
      ['F6 / Shift+F6', 'keys.regions'],
      ['Esc', 'keys.escape'],
    ],
  ],
  [
    'keys.single',
    [
      ['N', 'keys.nextUnread'],
      ['P', 'keys.nextDirect'],
      ['/', 'keys.toSearch'],
    ],
  ],
  [
    'keys.messages',
    [
      ['Up / Down', 'keys.walk'],
      ['R / >', 'keys.reply'],
      ['T', 'keys.thread'],
      ['E', 'keys.react'],
      ['Shift+P', 'keys.pin'],
      ['S', 'keys.save'],
      ['U', 'keys.unreadFrom'],
    ],
  ],
  [
    'keys.writing',
    [
      ['Enter', 'keys.send'],
      ['Shift+Enter', 'keys.line'],
      ['Up', 'keys.editLast'],
      ['Shift+Up', 'keys.replyLast'],
      ['Esc', 'keys.toMessages'],
      ['@', 'keys.mention'],
      [':', 'keys.emoji'],
      ['Mod+B', 'keys.bold'],
      ['Mod+I', 'keys.italic'],
      ['Mod+Shift+X', 'keys.strike'],
      ['Mod+Shift+C', 'keys.code'],
    ],
  ],
  [
    'keys.everywhere',
    [
      ['Mod+F', 'keys.search'],
      ['Mod+,', 'keys.settings'],
      ['Mod+/', 'keys.help'],
    ],
  ],
];

/** All that the client is meant to know. */
export function usualShortcuts(): ShortcutGroup[] {
  // None of these texts has placeholders.
  const text = t as (key: Key) => string;
  return GROUPS.map(([title, shortcuts]) => ({ title: text(title), shortcuts: shortcuts.map(([keys, label]) => ({ keys, label: text(label) })) }));
}

export const onMac = (): boolean => typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

const MAC: Record<string, string> = { Mod: '⌘', Alt: '⌥', Shift: '⇧', Enter: '↩', Esc: 'esc', Up: '↑', Down: '↓' };
const OTHER: Record<string, string> = { Mod: 'Ctrl', Up: '↑', Down: '↓' };

/** The alternatives of some keys, each as the caps to press at once. */
export function caps(keys: string, mac: boolean): string[][] {
  return keys.split(' / ').map((one) => one.split(/\+(?=.)/).map((key) => (mac ? MAC : OTHER)[key] ?? key));
}

/** Groups with only those shortcuts that hold all the words. */
export function foundShortcuts(groups: readonly ShortcutGroup[], text: string): ShortcutGroup[] {
  const words = text.trim().toLocaleLowerCase().split(/\s+/u).filter(Boolean);
  return groups
    .map((group) => ({
      ...group,
      shortcuts: group.shortcuts.filter((shortcut) => words.every((word) => `${shortcut.label} ${shortcut.keys} ${group.title}`.toLocaleLowerCase().includes(word))),
    }))
    .filter((group) => group.shortcuts.length > 0);
}
