// A server in memory on which there was a working day, for pictures and for looking at every state of the page.
import type { Page } from 'playwright-core';
import type { Message } from '$lib/api/types';
import { FakeServer } from '$lib/testing/fake-server';

export const ME = 'anna@localhost';
export const GENERAL = 'general@rooms.localhost';
const DESIGN = 'design@rooms.localhost';

const PICTURE = `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="800"><defs><linearGradient id="g" x2="0" y2="1"><stop stop-color="#f6c9a8"/><stop offset=".55" stop-color="#c98aa0"/><stop offset="1" stop-color="#2f4a63"/></linearGradient></defs><rect width="1200" height="800" fill="url(#g)"/><circle cx="860" cy="330" r="90" fill="#ffe9c9"/><path d="M0 620 260 400l180 150 220-240 320 330 220-140v300H0Z" fill="#22374a"/><path d="M0 700 300 560l260 120 240-100 400 150v70H0Z" fill="#16242f"/></svg>`;

/** A server on which there was a working day. */
export function livelyServer(): FakeServer {
  const server = new FakeServer();
  server.now = (Date.now() - 27 * 3_600_000) * 1000;
  server.addPerson(ME, 'Anna Lindqvist', { title: 'Product lead', department: 'Product', phone: '+46 8 123 45 67', mail: 'anna@example.org' });
  server.addPerson('bo@localhost', 'Bo Chen', { title: 'Backend engineer', department: 'Engineering' });
  server.addPerson('carol@localhost', 'Carol Okafor', { title: 'Designer', department: 'Design' });
  server.addPerson('wei@localhost', '魏明', { title: '测试工程师', department: '质量部' });
  server.addPerson('dmitri@localhost', 'Dmitri Petrov', { title: 'Site reliability', department: 'Engineering' });
  server.addPerson('emma@localhost', 'Emma Rossi', { title: 'Customer success', department: 'Support' });
  server.presences.set('bo@localhost', { address: 'bo@localhost', show: 'online' });
  server.presences.set('carol@localhost', { address: 'carol@localhost', show: 'away', text: 'Lunch', emoji: '🍜' });
  server.presences.set('wei@localhost', { address: 'wei@localhost', show: 'busy', text: 'Testing 2.4', emoji: '🧪' });
  server.addRoom(GENERAL, 'General', ['bo@localhost', ME, 'carol@localhost', 'wei@localhost', 'dmitri@localhost', 'emma@localhost'], {
    topic: 'Everything that concerns all of us',
  });
  server.addRoom(DESIGN, 'Design reviews', ['carol@localhost', ME, 'bo@localhost'], { topic: 'Thursdays at 14:00', public: false });
  server.addRoom('incidents@rooms.localhost', 'Incidents', ['dmitri@localhost', ME, 'bo@localhost'], { topic: 'Status: all green' });
  server.addRoom('news@rooms.localhost', 'Company news', ['emma@localhost', ME], { announcements_only: true });
  server.addRoom('china@rooms.localhost', '上海办公室', ['wei@localhost', ME, 'bo@localhost']);

  server.post('carol@localhost', GENERAL, 'Morning everyone ☀️');
  server.post('dmitri@localhost', GENERAL, 'The upgrade of the database went through at 6:40, *no* dropped connections. Graphs in the usual place: https://status.example.org/graphs', {}, 240_000);
  server.post('emma@localhost', GENERAL, 'Lovely. Can somebody tell me what we say to customers who ask for _read receipts in rooms_?', {}, 600_000);
  const question = server.post('bo@localhost', GENERAL, 'They are in 2.4. Short version:\n- who has read and who has not, by department\n- no extra traffic, it is one watermark a person\n- works for XMPP clients as well', {}, 90_000);
  server.post(ME, GENERAL, 'And in the release notes from today on.', { reply_to: { id: question.id, from: question.from, text: question.text } }, 60_000);
  server.post('wei@localhost', GENERAL, '我已经在测试环境验证过了，群里一千人也没问题 👍', {}, 3_600_000);
  server.post('carol@localhost', GENERAL, 'New illustrations for the start page:', {
    attachments: [{ url: '/files/1/sunset.png', name: 'sunset.png', type: 'image/png', bytes: 482_113, width: 1200, height: 800 }],
  }, 20 * 3_600_000);
  const code = server.post('dmitri@localhost', GENERAL, 'For those who want to try it at home:\n```rust\n// One writer, many readers.\nfn watermark(seen: &mut u64, position: u64) -> bool {\n    let moved = position > *seen;\n    *seen = (*seen).max(position);\n    moved\n}\n```', {}, 900_000);
  server.post('bo@localhost', GENERAL, 'Neat', { thread: code.id }, 60_000);
  server.post('carol@localhost', GENERAL, 'Even I understand that', { thread: code.id }, 60_000);
  server.post('emma@localhost', GENERAL, 'Thanks! @Anna Lindqvist can you look over the wording before I send it?', { mentions: [{ kind: 'person', address: ME, begin: 8, end: 23 }] }, 300_000);
  server.post('emma@localhost', GENERAL, 'Draft is attached.', {
    attachments: [{ url: '/files/2/a.pdf', name: 'Read receipts – answer to customers.pdf', type: 'application/pdf', bytes: 84_120 }],
  }, 20_000);
  server.of(ME).seen.set(GENERAL, code.position);
  const place = server.place(ME, GENERAL);
  const react = (text: string, emoji: string, by: string[]) => {
    const message = place.messages.find((m) => m.text.includes(text));
    if (message) server.change(place, message.id, (m) => ({ ...m, reactions: [...(m.reactions ?? []), { emoji, by }] }));
  };
  react('went through', '🎉', ['bo@localhost', ME, 'emma@localhost']);
  react('went through', '🙏', ['carol@localhost']);
  react('illustrations', '😍', [ME, 'emma@localhost', 'bo@localhost']);
  const pinned = place.messages.find((m) => m.text.startsWith('They are in'));
  if (pinned) server.change(place, pinned.id, (m): Message => ({ ...m, pinned: { by: 'bo@localhost', at_ms: Date.now() }, edited: { at_ms: Date.now(), count: 1 } }));

  server.post(ME, 'bo@localhost', 'Do you have ten minutes before the review?', {}, 60_000);
  server.post('bo@localhost', ME, 'Sure, in the small room?', {}, 60_000);
  server.post(ME, 'bo@localhost', 'Perfect, see you there', {}, 10_000);
  server.of('bo@localhost').seen.set(ME, server.now);
  server.post('carol@localhost', ME, 'Did you see the new icons?', {}, 1_000);
  server.post('carol@localhost', ME, 'I think the bookmark is still too heavy', {}, 1_000);
  server.post('wei@localhost', ME, '下午有空吗？', {}, 1_000);
  server.of(ME).seen.set('wei@localhost', server.now);
  const poll = server.post(ME, DESIGN, '', { poll: { question: 'Which colour for the start page?', options: ['Teal', 'Amber', 'Both, by the time of day'], multiple: false } }, 1_000);
  server.post('carol@localhost', DESIGN, 'Agenda for Thursday is in the topic.', {}, 1_000);
  server.change(server.place(ME, DESIGN), poll.id, (m) => ({ ...m, reactions: [{ emoji: '1️⃣', by: ['bo@localhost', ME] }, { emoji: '3️⃣', by: ['carol@localhost'] }] }));
  server.post('dmitri@localhost', 'incidents@rooms.localhost', 'All green.', {}, 1_000);
  server.of(ME).seen.set('incidents@rooms.localhost', server.now);
  server.post('emma@localhost', 'news@rooms.localhost', 'We are 40 people now!', {}, 1_000);
  server.of(ME).settings.set('news@rooms.localhost', { muted_until_ms: 0 });
  server.of(ME).settings.set('bo@localhost', { favourite: true });
  server.of(ME).drafts.set('wei@localhost', { text: '三点以后', changed_ms: 1 });
  return server;
}

/** Lets a page talk to the server in memory; `told` may change what it says. */
export async function connect(page: Page, server: FakeServer, told = (frame: string): string => frame): Promise<void> {
  // Only connections of the page itself can be stood in for, not that of a worker of all tabs.
  await page.addInitScript(() => void Reflect.deleteProperty(window, 'SharedWorker'));
  await page.routeWebSocket(/\/api\/socket$/, (ws) => {
    const socket = server.connect();
    socket.onmessage = ({ data }) => ws.send(told(String(data)));
    socket.onclose = () => void ws.close();
    ws.onMessage((data) => socket.send(String(data)));
    ws.onClose(() => socket.close());
  });
  await page.route(/\/files\/1\//, (route) => route.fulfill({ contentType: 'image/svg+xml', body: PICTURE }));
}
