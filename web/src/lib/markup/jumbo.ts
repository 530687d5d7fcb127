// Tells a message of nothing but a few emoji, which is shown large.

const EMOJI =
  /(?:\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3|(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f)\p{Emoji_Modifier}?(?:\u200d\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?)*(?:[\u{e0020}-\u{e007e}]+\u{e007f})?|\p{Extended_Pictographic}\p{Emoji_Modifier}(?:\u200d\p{Extended_Pictographic}\ufe0f?)*)/uy;

/** So many emoji are still shown large. */
const MOST = 12;
const LONGEST = 400;

/** How many emoji the text consists of, if it consists of up to twelve emoji and white space alone, else 0. */
export function emojiOnly(text: string): number {
  if (text.length > LONGEST) return 0;
  let at = 0;
  let count = 0;
  while (at < text.length) {
    if (/\s/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    EMOJI.lastIndex = at;
    const match = EMOJI.exec(text);
    if (!match) return 0;
    count += 1;
    if (count > MOST) return 0;
    at += match[0].length;
  }
  return count;
}
