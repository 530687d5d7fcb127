// Polls: a vote for option N is a reaction with the keycap N, so that every client can vote.
import type { Address, Poll, Reaction } from '../api/types';

/** The reactions that are votes, by option. There are at most as many options. */
export const KEYCAPS = ['1️⃣', '2️⃣', '3️⃣', '4️⃣', '5️⃣', '6️⃣', '7️⃣', '8️⃣', '9️⃣', '🔟'] as const;
export const MOST_OPTIONS = KEYCAPS.length;
export const LEAST_OPTIONS = 2;
export const LONGEST_QUESTION = 300;
export const LONGEST_OPTION = 120;

export interface Tally {
  option: string;
  keycap: string;
  by: Address[];
  mine: boolean;
  /** The share of the people who voted, from 0 to 1. */
  share: number;
  /** Whether no option has more votes, and it has any. */
  leads: boolean;
}

export interface Result {
  options: Tally[];
  /** How many people voted; with several answers allowed a person counts once. */
  people: number;
}

/** Some clients leave out the selector in the middle of a keycap. */
const bare = (emoji: string): string => emoji.replace(/\ufe0f/g, '');

/** The state of a poll. Where one answer is allowed and somebody gave several, the first counts. */
export function resultOf(poll: Poll, reactions: readonly Reaction[], own: Address): Result {
  const counted = new Set<Address>();
  const votes = poll.options.slice(0, MOST_OPTIONS).map((option, i) => {
    const keycap = KEYCAPS[i] ?? '';
    const voters = reactions.find((reaction) => bare(reaction.emoji) === bare(keycap))?.by ?? [];
    const by = poll.multiple ? [...voters] : voters.filter((address) => !counted.has(address));
    for (const address of voters) counted.add(address);
    return { option, keycap, by };
  });
  const most = Math.max(0, ...votes.map((vote) => vote.by.length));
  return {
    people: counted.size,
    options: votes.map((vote) => ({
      ...vote,
      mine: vote.by.includes(own),
      share: counted.size === 0 ? 0 : vote.by.length / counted.size,
      leads: most > 0 && vote.by.length === most,
    })),
  };
}

/** All my reactions after I chose or unchose an option: what is no vote stays. */
export function reactionsAfter(poll: Poll, reactions: readonly Reaction[], own: Address, option: number): string[] {
  const keycap = KEYCAPS[option];
  const mine = reactions.filter((reaction) => reaction.by.includes(own)).map((reaction) => reaction.emoji);
  const isVote = (emoji: string): boolean => KEYCAPS.some((cap) => bare(cap) === bare(emoji));
  const others = mine.filter((emoji) => !isVote(emoji));
  const chosen = mine.filter(isVote);
  if (keycap === undefined || option >= poll.options.length) return mine;
  const had = chosen.some((emoji) => bare(emoji) === bare(keycap));
  if (had) return [...others, ...chosen.filter((emoji) => bare(emoji) !== bare(keycap))];
  return poll.multiple ? [...others, ...chosen, keycap] : [...others, keycap];
}

export type PollError = 'question' | 'options' | 'same';

/** What is wrong with a poll as it was written; the poll if nothing is. Empty options are left out. */
export function checked(question: string, options: readonly string[], multiple: boolean): { poll: Poll } | { error: PollError } {
  const asked = question.trim();
  const given = options.map((option) => option.trim()).filter((option) => option !== '');
  if (asked === '') return { error: 'question' };
  if (given.length < LEAST_OPTIONS) return { error: 'options' };
  if (new Set(given.map((option) => option.toLocaleLowerCase())).size < given.length) return { error: 'same' };
  return { poll: { question: asked, options: given.slice(0, MOST_OPTIONS), multiple } };
}
