// What the page itself shows and hears: title, icon, notifications, and whether somebody looks at it.
import { t } from '$lib/i18n';
import { plain } from '$lib/markup';
import type { ServerEvent } from '$lib/api';
import { callsFor } from '$lib/state/notify';
import { session, ui } from './app.svelte';
import { notify, takeBack } from './notifications';
import { attendedElsewhere, joinTabs, speaks, tellAttention } from './tabs';

/** Whoever does nothing for so long does not look at the page. */
const INATTENTION_MS = 60_000;
/** What is older than this was missed, and calls nobody any more. */
const FRESH_MS = 60_000;

export function watchPage(): () => void {
  const stops = [watchAttention(), watchNetwork(), session.listen(heard), $effect.root(showTitle), joinTabs(), $effect.root(showAttention), $effect.root(showRead)];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Tells the other tabs what is looked at here. */
function showAttention(): void {
  $effect(() => {
    if (ui.attended) return tellAttention(ui.conversation);
  });
}

function watchAttention(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let told = true;
  const tell = (active: boolean) => {
    if (told === active) return;
    told = active;
    // Whether it arrives matters little: it is told again after the next change.
    session.call('session.active', { active }).catch(() => undefined);
  };
  const look = () => {
    ui.attended = document.visibilityState === 'visible' && document.hasFocus();
    clearTimeout(timer);
    if (ui.attended) tell(true);
    else timer = setTimeout(() => tell(false), INATTENTION_MS);
  };
  const act = () => {
    clearTimeout(idle);
    if (ui.attended) tell(true);
    const minutes = session.preferences.values.auto_away_minutes;
    if (minutes > 0) idle = setTimeout(() => tell(false), minutes * 60_000);
  };
  const events = ['pointerdown', 'keydown', 'wheel'] as const;
  document.addEventListener('visibilitychange', look);
  addEventListener('focus', look);
  addEventListener('blur', look);
  for (const event of events) addEventListener(event, act, { passive: true });
  look();
  return () => {
    document.removeEventListener('visibilitychange', look);
    removeEventListener('focus', look);
    removeEventListener('blur', look);
    for (const event of events) removeEventListener(event, act);
    clearTimeout(timer);
    clearTimeout(idle);
  };
}

function watchNetwork(): () => void {
  const nudge = () => session.client.nudge();
  const shown = () => {
    if (document.visibilityState === 'visible') nudge();
    else {
      void session.drafts.flush();
      void session.keepNow();
    }
  };
  addEventListener('online', nudge);
  addEventListener('offline', nudge);
  document.addEventListener('visibilitychange', shown);
  return () => {
    removeEventListener('online', nudge);
    removeEventListener('offline', nudge);
    document.removeEventListener('visibilitychange', shown);
  };
}

/** Stands for something unread that is meant for nobody in particular. */
const DOT = '•';

/** Puts the number on the icon of the installed application. */
function tellSystem(count: number): void {
  if (!('setAppBadge' in navigator)) return;
  void (count > 0 ? navigator.setAppBadge(count) : navigator.clearAppBadge()).catch(() => undefined);
}

function showTitle(): void {
  let drawn = '';
  $effect(() => {
    const { count, any } = session.conversations;
    const threads = session.threads.mentions;
    const total = count + threads;
    const place = ui.conversation ? session.conversations.get(ui.conversation)?.name : undefined;
    const mark = total > 0 ? `(${total > 99 ? '99+' : total}) ` : any ? `${DOT} ` : '';
    document.title = `${mark}${place ? `${place} – ` : ''}Waxwing`;
    const wanted = total > 0 ? (total > 9 ? '9+' : String(total)) : any ? DOT : '';
    if (wanted !== drawn) {
      drawn = wanted;
      void drawIcon(wanted);
      tellSystem(total);
    }
  });
}

/** Puts a mark on the icon of the page: a number for what is meant for the reader, a dot for anything else. */
async function drawIcon(mark: string): Promise<void> {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  if (mark === '') {
    link.type = 'image/svg+xml';
    link.href = '/favicon.svg';
    return;
  }
  const picture = new Image(64, 64);
  picture.src = '/favicon.svg';
  try {
    await picture.decode();
  } catch {
    return;
  }
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 64;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.drawImage(picture, 0, 0, 64, 64);
  const isNumber = mark !== DOT;
  const [at, radius] = isNumber ? [42, 22] : [49, 13];
  const disc = (size: number): void => {
    pen.beginPath();
    pen.arc(at, 64 - at, size, 0, 2 * Math.PI);
    pen.fill();
  };
  pen.globalCompositeOperation = 'destination-out';
  disc(radius + 3);
  pen.globalCompositeOperation = 'source-over';
  pen.fillStyle = isNumber ? '#c9302c' : '#2b8c8c';
  disc(radius);
  if (isNumber) {
    pen.fillStyle = '#fff';
    pen.font = `700 ${mark.length > 1 ? 26 : 34}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(mark, at, 66 - at);
  }
  link.type = 'image/png';
  link.href = canvas.toDataURL('image/png');
}

/** Takes back notifications of what was read, here or on another device. */
function showRead(): void {
  $effect(() => {
    const unread = new Set(session.conversations.unread.map((conversation) => conversation.address));
    void takeBack((conversation) => !unread.has(conversation));
  });
}

function heard(event: ServerEvent): void {
  if (event.type !== 'message') return;
  const { message } = event;
  if (message.position / 1000 < Date.now() - FRESH_MS) return;
  if (message.edited || message.recalled || message.reactions || message.kind === 'system') return;
  if (message.from.address === session.me) return;
  const isInView = ui.attended && ui.conversation === message.conversation;
  if (isInView) {
    ui.announce(t('live.message', { name: message.from.name, text: plain(message.text) }));
    return;
  }
  const conversation = session.conversations.get(message.conversation);
  if (!conversation) return;
  const { values } = session.preferences;
  const isBusy = session.people.presence(session.me).show === 'busy';
  const follows = message.thread !== undefined && session.threads.get(message.thread)?.following === true;
  if (isBusy || !callsFor(message, conversation, values, session.me, follows)) return;
  // One tab calls for all, and none calls for what is in view in another.
  const other = attendedElsewhere();
  if (!speaks() || other?.conversation === message.conversation) return;
  if (values.sound) chime();
  if (values.desktop && !ui.attended && !other) void notify(message, conversation.kind === 'room' ? conversation.name : undefined);
}

let sound: AudioContext | undefined;

/** Two soft notes, made here so that nothing has to be loaded. */
function chime(): void {
  try {
    sound ??= new AudioContext();
    const start = sound.currentTime;
    for (const [index, pitch] of [659, 988].entries()) {
      const tone = sound.createOscillator();
      const volume = sound.createGain();
      tone.type = 'sine';
      tone.frequency.value = pitch;
      const at = start + index * 0.09;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.08, at + 0.015);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.35);
      tone.connect(volume).connect(sound.destination);
      tone.start(at);
      tone.stop(at + 0.4);
    }
  } catch {
    // A browser may forbid sound until somebody has touched the page.
  }
}
