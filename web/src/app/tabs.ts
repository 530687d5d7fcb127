// What the tabs of a browser agree on: which one makes a sound and shows notifications, and whether another one is looked at.
const SPEAKER = 'waxwing-speaker';
const CHANNEL = 'waxwing-attention';
/** A tab that died while it was looked at is forgotten after this. */
const STALE_MS = 5 * 60_000;
const REPEAT_MS = 60_000;

interface Attention {
  tab: string;
  /** The conversation in view; null when nobody looks any more. */
  conversation: string | null;
}

const tab = Math.random().toString(36).slice(2);
let isSpeaker = typeof navigator === 'undefined' || !('locks' in navigator);
let elsewhere: (Attention & { at: number }) | undefined;

/** Begins to agree with the other tabs. The answer ends it. */
export function joinTabs(): () => void {
  if (isSpeaker || typeof BroadcastChannel === 'undefined') {
    isSpeaker = true;
    return () => undefined;
  }
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<Attention>) => {
    if (data.conversation !== null) elsewhere = { ...data, at: Date.now() };
    else if (elsewhere?.tab === data.tab) elsewhere = undefined;
  };
  let release: () => void = () => undefined;
  const leaving = new AbortController();
  // The first tab speaks for all; when it closes, the next one does.
  navigator.locks
    .request(SPEAKER, { signal: leaving.signal }, () => {
      isSpeaker = true;
      return new Promise<void>((resolve) => (release = resolve));
    })
    .catch(() => undefined);
  return () => {
    leaving.abort();
    release();
    channel.close();
    isSpeaker = false;
  };
}

/** Tells the others what is in view here, or that nothing is. The answer stops telling. */
export function tellAttention(conversation: string | undefined): () => void {
  if (typeof BroadcastChannel === 'undefined') return () => undefined;
  const channel = new BroadcastChannel(CHANNEL);
  const say = (what: string | null): void => channel.postMessage({ tab, conversation: what } satisfies Attention);
  say(conversation ?? '');
  const timer = setInterval(() => say(conversation ?? ''), REPEAT_MS);
  return () => {
    clearInterval(timer);
    say(null);
    channel.close();
  };
}

/** Whether this tab is the one that makes sounds and shows notifications. */
export function speaks(): boolean {
  return isSpeaker;
}

/** Whether another tab is looked at, and at which conversation. */
export function attendedElsewhere(): { conversation: string } | undefined {
  if (!elsewhere || Date.now() - elsewhere.at > STALE_MS) return undefined;
  return { conversation: elsewhere.conversation ?? '' };
}
