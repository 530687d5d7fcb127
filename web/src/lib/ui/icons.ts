// The pictures of the client, drawn on a grid of 24 by 24 as strokes of one width.

/** A circle round a point, as a path. */
const o = (x: number, y: number, r: number): string => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

const drawn = {
  alert: `M12 4 2.8 19.5h18.4ZM12 10v4M12 16.8v.1`,
  archive: 'M3.5 5h17v4h-17ZM5 9v10.5h14V9M10 13h4',
  'arrow-down': 'M12 4.5v15M6 13.5l6 6 6-6',
  'arrow-left': 'M19.5 12h-15M10.5 6l-6 6 6 6',
  'arrow-right': 'M4.5 12h15M13.5 6l6 6-6 6',
  'arrow-up': 'M12 19.5v-15M6 10.5l6-6 6 6',
  at: `${o(12, 12, 4)}M16 8v5.2c0 1.6 1 2.8 2.4 2.8 1.7 0 2.6-1.6 2.6-4a9 9 0 1 0-3.6 7.2`,
  attach: 'M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.5-8.5a3.4 3.4 0 0 1 4.8 4.8l-8.4 8.4a1.7 1.7 0 0 1-2.4-2.4l7.6-7.6',
  bell: 'M6 9.5a6 6 0 0 1 12 0c0 5.5 2 7 2 7H4s2-1.5 2-7M10 20a2.2 2.2 0 0 0 4 0',
  'bell-off': 'M8.2 4.9A6 6 0 0 1 18 9.5c0 2 .3 3.5.7 4.6M16.5 16.5H4s2-1.5 2-7c0-.5.1-1 .2-1.5M10 20a2.2 2.2 0 0 0 4 0M3.5 3.5l17 17',
  block: `${o(12, 12, 8.5)}M6 6l12 12`,
  bold: 'M7 5h6a3.5 3.5 0 0 1 0 7H7ZM7 12h7a3.5 3.5 0 0 1 0 7H7Z',
  bookmark: 'M6.5 4h11v16.5L12 16l-5.5 4.5Z',
  calendar: 'M4 6h16v14H4ZM4 10h16M8.5 3.5V7M15.5 3.5V7',
  camera: `M4 8h3.5L9 5.5h6L16.5 8H20v11H4Z${o(12, 13, 3.2)}`,
  chat: 'M4 5h16v11.5h-8.5L7 20.5v-4H4Z',
  check: 'M4.5 12.5l5 5 10-11',
  checks: 'M2.5 13l4.5 4.5 8.5-10M11.5 16.5l1 1 9-10.5',
  'chevron-down': 'M6 9.5l6 6 6-6',
  'chevron-left': 'M14.5 6l-6 6 6 6',
  'chevron-right': 'M9.5 6l6 6-6 6',
  'chevron-up': 'M6 14.5l6-6 6 6',
  circle: o(12, 12, 8.5),
  clock: `${o(12, 12, 8.5)}M12 7v5.2l3.5 2`,
  close: 'M6 6l12 12M18 6L6 18',
  code: 'M8 7l-5 5 5 5M16 7l5 5-5 5M13.7 4.5l-3.4 15',
  contrast: `${o(12, 12, 8.5)}M12 3.5v17M12 7h4.5M12 10.5h6.5M12 14h6.5M12 17.5h4.5`,
  copy: 'M9 9h11v11H9ZM15 9V4H4v11h5',
  door: 'M6 20.5V4h9v16.5M3.5 20.5h17M12 12v.5',
  download: 'M12 4v11M7 10.5l5 5 5-5M4.5 19.5h15',
  edit: 'M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5ZM13.5 7l3.5 3.5',
  expand: 'M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5',
  external: 'M13 4.5h6.5V11M19.5 4.5L11 13M16.5 14v5.5h-12v-12H10',
  eye: `M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12${o(12, 12, 2.8)}`,
  'eye-off': 'M9.5 5.9A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-2.7 3.5M14.5 14.3A3 3 0 0 1 9.8 10M6.5 7.3A16 16 0 0 0 2.5 12S6 18.5 12 18.5a9 9 0 0 0 4.8-1.4M4 4l16 16',
  file: 'M6 3.5h8l4.5 4.5v12.5H6ZM14 3.5V8h4.5',
  'file-text': 'M6 3.5h8l4.5 4.5v12.5H6ZM14 3.5V8h4.5M9 12h6M9 16h6',
  filter: 'M4 6h16M7 12h10M10 18h4',
  fit: 'M4 6h16v12H4ZM8 12h8M10.5 9.5L8 12l2.5 2.5M13.5 9.5L16 12l-2.5 2.5',
  folder: 'M3.5 6h6l2 2.5h9V19h-17Z',
  globe: `${o(12, 12, 8.5)}M3.5 12h17M12 3.5c5 5 5 12 0 17c-5-5-5-12 0-17`,
  hash: 'M9.5 4l-2 16M16.5 4l-2 16M4.5 9h16M3.5 15h16',
  help: `${o(12, 12, 8.5)}M9.5 9.5a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7M12 16.5v.1`,
  home: 'M4 11l8-7 8 7v9h-5.5v-5.5h-5V20H4Z',
  image: `M4 5h16v14H4Z${o(9, 10, 1.5)}M5 18.5l5.5-5 2.5 2 3-3 4 3.5`,
  inbox: 'M4 13.5L6.5 5h11l2.5 8.5V19H4ZM4 13.5h5c0 1.7 1.3 3 3 3s3-1.3 3-3h5',
  info: `${o(12, 12, 8.5)}M12 11v5.5M12 7.5v.1`,
  italic: 'M10 5h7M7 19h7M13.8 5l-3.6 14',
  key: `${o(8, 15, 4)}M11 12l8.5-8.5M16 7l3 3`,
  keyboard: 'M3 6.5h18v11H3ZM7 10v.1M10.5 10v.1M14 10v.1M17.5 10v.1M7 14v.1M10 14h4.5M17.5 14v.1',
  link: 'M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 1 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 1 0 5.7 5.7l1-1',
  list: 'M9 6h11M9 12h11M9 18h11M4.5 6v.1M4.5 12v.1M4.5 18v.1',
  lock: 'M5.5 11h13v9.5h-13ZM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11',
  mail: 'M3.5 5.5h17v13h-17ZM4 6.5l8 6.5 8-6.5',
  megaphone: 'M4 10v4h3.5l9 4.5v-13L7.5 10ZM8 14.5l1.5 5M19.5 10v4',
  mic: 'M9 6.5a3 3 0 0 1 6 0V12a3 3 0 0 1-6 0ZM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3',
  monitor: 'M3.5 5h17v11.5h-17ZM12 16.5v3.5M8 20.5h8',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5',
  more: o(5.5, 12, 0.7) + o(12, 12, 0.7) + o(18.5, 12, 0.7),
  'more-vertical': o(12, 5.5, 0.7) + o(12, 12, 0.7) + o(12, 18.5, 0.7),
  offline: 'M7 8.5a5 5 0 0 0 .5 10H17M20 17.3a3.9 3.9 0 0 0-3-6.8 5.5 5.5 0 0 0-6-4.3M4 4l16 16',
  panel: 'M4 5h16v14H4ZM14.5 5v14',
  pause: 'M8.5 5.5v13M15.5 5.5v13',
  phone: 'M6 3.5h3l1.5 5-2 1.5a11 11 0 0 0 5.5 5.5l1.5-2 5 1.5v3a2 2 0 0 1-2.2 2A16.5 16.5 0 0 1 4 5.7 2 2 0 0 1 6 3.5',
  pin: 'M9 4h6l-.7 6 3.2 3.5v1h-11v-1L9.7 10ZM12 14.5V21',
  'pin-off': 'M9 4h6l-.6 5M16 13.2l1.5.3v1h-11v-1L9.4 10.5M12 14.5V21M4 4l16 16',
  play: 'M8 5.5v13l10.5-6.5Z',
  plus: 'M12 5v14M5 12h14',
  poll: 'M6 20V11M12 20V4.5M18 20v-6',
  quote: 'M5 6v12M9.5 8h10M9.5 12h10M9.5 16h6',
  refresh: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4v5h-5',
  reply: 'M9.5 6l-6 6 6 6M3.5 12H14a6.5 6.5 0 0 1 6.5 6.5',
  rotate: 'M4.5 12a7.5 7.5 0 1 0 2.2-5.3L4.5 9M4.5 4v5h5',
  search: `${o(10.5, 10.5, 6.5)}M15.3 15.3l5.2 5.2`,
  send: 'M4 12L3.5 4.5l17 7.5-17 7.5L4 12ZM4 12h8',
  settings: `${o(12, 12, 3)}M10.5 3.5h3l.5 2.5 1.8.8 2.2-1.4 2.1 2.1-1.4 2.2.8 1.8 2.5.5v3l-2.5.5-.8 1.8 1.4 2.2-2.1 2.1-2.2-1.4-1.8.8-.5 2.5h-3l-.5-2.5-1.8-.8-2.2 1.4-2.1-2.1 1.4-2.2-.8-1.8-2.5-.5v-3l2.5-.5.8-1.8-1.4-2.2 2.1-2.1 2.2 1.4 1.8-.8Z`,
  share: 'M12 15V4M7.5 8L12 3.5 16.5 8M6 12H4.5v8.5h15V12H18',
  shield: 'M12 3.5l7.5 3v5c0 4.5-3 7.5-7.5 9.5-4.5-2-7.5-5-7.5-9.5v-5Z',
  sidebar: 'M4 5h16v14H4ZM9.5 5v14',
  'sign-out': 'M10 4.5H4.5v15H10M15.5 7.5L20 12l-4.5 4.5M20 12H9.5',
  smartphone: 'M7 3.5h10v17H7ZM11 17.5h2',
  smile: `${o(12, 12, 8.5)}M8 14a4.5 4.5 0 0 0 8 0M9 9.5v.4M15 9.5v.4`,
  'smile-plus': 'M12.5 3.5a8.5 8.5 0 1 0 8 8M8 14.5a4.5 4.5 0 0 0 8 0M9 10v.4M15 10v.4M18.5 2.5v6M15.5 5.5h6',
  star: 'M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6-5.3-2.9L6.7 20l1.1-6-4.4-4.2 6-.8Z',
  stop: 'M6.5 6.5h11v11h-11Z',
  strike: 'M4 12h16M16.5 8c-.5-2-2.2-3-4.5-3-2.5 0-4.5 1.3-4.5 3.5 0 1.5 1 2.7 3 3.5M7.5 16c.5 2 2.2 3 4.5 3 2.5 0 4.5-1.3 4.5-3.5',
  sun: `${o(12, 12, 4)}M12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3L7 7M17 17l1.7 1.7M18.7 5.3L17 7M7 17l-1.7 1.7`,
  thread: 'M4 4.5h13v9H10L6.5 17v-3.5H4ZM20.5 9.5v8.5h-2v3L15 18h-4.5',
  trash: 'M4.5 6.5h15M9.5 6.5v-3h5v3M6.5 6.5l1 14h9l1-14M10.3 10.5v6M13.7 10.5v6',
  undo: 'M8.5 5L4 9.5 8.5 14M4 9.5h10a5.5 5.5 0 0 1 0 11h-4',
  upload: 'M12 15.5V4.5M7 9l5-5 5 5M4.5 19.5h15',
  user: `${o(12, 8, 4)}M4.5 20.5a7.5 7.5 0 0 1 15 0`,
  'user-plus': `${o(10, 8, 4)}M2.5 20.5a7.5 7.5 0 0 1 15 0M19 8.5v6M16 11.5h6`,
  'user-minus': `${o(10, 8, 4)}M2.5 20.5a7.5 7.5 0 0 1 15 0M16 11.5h6`,
  users: `${o(9, 8, 3.7)}M2 20a7 7 0 0 1 14 0M15.5 4.6a3.7 3.7 0 0 1 0 6.9M18 14a7 7 0 0 1 4 6`,
  video: 'M3.5 6.5h12v11h-12ZM15.5 10.5l5-3v9l-5-3',
  volume: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11',
  wrap: 'M4 6h16M4 12h13a3 3 0 0 1 0 6h-4M15.5 15.5L13 18l2.5 2.5M4 18h5',
  'zoom-in': `${o(10.5, 10.5, 6.5)}M15.3 15.3l5.2 5.2M10.5 7.5v6M7.5 10.5h6`,
  'zoom-out': `${o(10.5, 10.5, 6.5)}M15.3 15.3l5.2 5.2M7.5 10.5h6`,
} as const;

export type IconName = keyof typeof drawn | 'bookmark-filled' | 'star-filled' | 'pin-filled';

interface Drawing {
  path: string;
  /** Filled instead of outlined. */
  filled?: true;
}

const FILLED: Record<string, Drawing> = {
  'bookmark-filled': { path: drawn.bookmark, filled: true },
  'star-filled': { path: drawn.star, filled: true },
  'pin-filled': { path: drawn.pin, filled: true },
  play: { path: drawn.play, filled: true },
  stop: { path: drawn.stop, filled: true },
};

/** The drawing of an icon. */
export function drawing(name: IconName): Drawing {
  return FILLED[name] ?? { path: drawn[name as keyof typeof drawn] };
}

/** Names of all icons, sorted. */
export const ICONS: readonly IconName[] = [...new Set([...(Object.keys(drawn) as IconName[]), ...(Object.keys(FILLED) as IconName[])])].sort();

/** Pictures that point along the reading direction, and turn over with it. */
const ALONG_READING: ReadonlySet<string> = new Set([
  'arrow-left', 'arrow-right', 'chevron-left', 'chevron-right', 'reply', 'send', 'sign-out', 'undo', 'list', 'quote', 'sidebar', 'panel', 'thread', 'external', 'wrap', 'volume',
]);

export function turnsWithReading(name: IconName): boolean {
  return ALONG_READING.has(name);
}
