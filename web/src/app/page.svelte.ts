// What the page itself shows and hears: title, icon, notifications, and whether somebody looks at it.
import { t } from '$lib/i18n';
import { plain } from '$lib/markup';
import type { Message, ServerEvent } from '$lib/api';
import { callsFor } from '$lib/state/notify';
import { session, ui } from './app.svelte';
import { attendedElsewhere, joinTabs, speaks, tellAttention } from './tabs';

/** Whoever does nothing for so long does not look at the page. */
const INATTENTION_MS = 60_000;
/** What is older than this was missed, and calls nobody any more. */
const FRESH_MS = 60_000;

export function watchPage(): () => void {
  const stops = [watchAttention(), watchNetwork(), session.listen(heard), $effect.root(showTitle), joinTabs(), $effect.root(showAttention)];
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

function showTitle(): void {
  let drawn = '';
  $effect(() => {
    const { count, any } = session.conversations;
    const threads = session.threads.mentions;
    const total = count + threads;
    const place = ui.conversation ? session.conversations.get(ui.conversation)?.name : undefined;
    const mark = total > 0 ? `(${total > 99 ? '99+' : total}) ` : any ? '• ' : '';
    document.title = `${mark}${place ? `${place} – ` : ''}Waxwing`;
    const wanted = total > 0 ? 'number' : any ? 'dot' : 'none';
    if (wanted !== drawn) {
      drawn = wanted;
      void drawIcon(wanted);
    }
  });
}

/** Puts a dot on the icon of the page: red for what is meant for the reader. */
async function drawIcon(mark: 'number' | 'dot' | 'none'): Promise<void> {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  if (mark === 'none') {
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
  pen.beginPath();
  pen.arc(49, 15, 15, 0, 2 * Math.PI);
  pen.globalCompositeOperation = 'destination-out';
  pen.fill();
  pen.globalCompositeOperation = 'source-over';
  pen.beginPath();
  pen.arc(49, 15, 12, 0, 2 * Math.PI);
  pen.fillStyle = mark === 'number' ? '#cf3a2b' : '#2b8c8c';
  pen.fill();
  link.type = 'image/png';
  link.href = canvas.toDataURL('image/png');
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
  if (isBusy || !callsFor(message, conversation, values, session.me)) return;
  // One tab calls for all, and none calls for what is in view in another.
  const other = attendedElsewhere();
  if (!speaks() || other?.conversation === message.conversation) return;
  if (values.sound) chime();
  if (values.desktop && !ui.attended && !other) notify(message, conversation.kind === 'room' ? conversation.name : undefined);
}

function notify(message: Message, room: string | undefined): void {
  if (typeof Notification === 'undefined' || Notification.permission !== 'granted') return;
  const title = room ? t('notify.in', { name: message.from.name, room }) : message.from.name;
  const body = plain(message.text) || t('notify.file');
  try {
    const shown = new Notification(title, { body, tag: message.conversation, icon: '/favicon.svg' });
    shown.onclick = () => {
      window.focus();
      ui.open(message.conversation);
      shown.close();
    };
  } catch {
    // Browsers on telephones show notifications by a service worker only.
  }
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
