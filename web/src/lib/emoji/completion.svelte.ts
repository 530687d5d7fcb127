// Loads the emoji when they are first wanted, and completes what is typed after a colon.
import { locale } from '../i18n';
import { readEmoji, searchEmoji, withTone, type Emoji } from './emoji';
import { recentEmoji, rememberedTone } from './recent';

const MOST_COMPLETIONS = 8;

/** What can be completed before the data has come. */
const AT_ONCE = readEmoji(
  [
    '👍+;thumbs up;+1,thumbsup;good,yes;点赞;好,赞',
    '👎+;thumbs down;-1,thumbsdown;bad,no;差评;不好',
    '❤️;red heart;heart;love;红心;爱',
    '😂;face with tears of joy;joy;laugh,lol;笑哭了;笑',
    '🎉;party popper;tada;celebrate;庆祝;拉炮',
    '🙏+;folded hands;pray;please,thanks;双手合十;谢谢',
    '✅;check mark button;white_check_mark;done;勾;完成',
    '👀;eyes;eyes;look;眼睛;看',
    '🚀;rocket;rocket;ship;火箭;发射',
    '😊;smiling face with smiling eyes;blush;happy;羞涩微笑;微笑',
  ].join('\n'),
);

let loaded = $state.raw<Emoji[]>();
let loading: Promise<Emoji[]> | undefined;

/** All emoji. Loads them once; asks again after a failure. */
export function loadEmoji(): Promise<Emoji[]> {
  loading ??= import('./data.txt?raw').then(
    ({ default: data }) => (loaded = readEmoji(data)),
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** An emoji's name in the language of the page. */
export function emojiName(emoji: Emoji): string {
  return locale() === 'zh-CN' && emoji.zh !== '' ? emoji.zh : emoji.name;
}

/**
 * What `:prefix` may become, the best first. The first call starts the loading of the data; whoever calls it in a component is asked
 * anew when the data is there.
 */
export function completeEmoji(prefix: string): { emoji: string; name: string }[] {
  const all = loaded;
  if (!all) void loadEmoji().catch(() => undefined);
  const wanted = prefix.replace(/^:/, '');
  if (wanted.trim() === '') return [];
  const recent = new Set(recentEmoji());
  const tone = rememberedTone();
  // Among those that fit, what one uses comes first.
  const found = searchEmoji(all ?? AT_ONCE, wanted, 40);
  const best = [...found.slice(0, MOST_COMPLETIONS).filter((e) => recent.has(e.emoji)), ...found.filter((e, i) => i >= MOST_COMPLETIONS || !recent.has(e.emoji))];
  return best.slice(0, MOST_COMPLETIONS).map((e) => ({ emoji: e.toned ? withTone(e.emoji, tone) : e.emoji, name: locale() === 'zh-CN' ? e.zh : (e.codes[0] ?? e.name) }));
}

/** The emoji for an exact code: `tada` for what is typed as `:tada:`. */
export function emojiOfCode(code: string): string | undefined {
  const found = (loaded ?? AT_ONCE).find((e) => e.codes.includes(code.toLowerCase()));
  return found && (found.toned ? withTone(found.emoji, rememberedTone()) : found.emoji);
}
