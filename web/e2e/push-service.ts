// A push service for tests: gives out subscriptions as a browser's does, and opens what a server pushes with the keys of the browser
// (RFC 8030, 8291 and 8292).
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A push as it came. */
export interface Pushed {
  /** What it says, decrypted. */
  text: string;
  topic: string | undefined;
  ttl_s: number;
}

const base64 = (bytes: Buffer): string => bytes.toString('base64url');

const derived = (secret: Buffer, salt: Buffer, info: Buffer, length: number): Buffer => Buffer.from(hkdfSync('sha256', secret, salt, info, length));

export class PushService {
  readonly #ecdh = createECDH('prime256v1');
  readonly #auth = randomBytes(16);
  readonly #pushed: Pushed[] = [];
  readonly #wrong: string[] = [];

  private constructor(private readonly server: HttpServer) {
    this.#ecdh.generateKeys();
  }

  static async start(): Promise<PushService> {
    const server = createServer();
    const service = new PushService(server);
    server.on('request', (request, response) => {
      void service.#take(request).then(
        () => response.writeHead(201).end(),
        (error: unknown) => {
          service.#wrong.push(String(error));
          response.writeHead(400).end();
        },
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get subscription(): { endpoint: string; keys: { p256dh: string; auth: string } } {
    return { endpoint: `${this.origin}/push/one`, keys: { p256dh: base64(this.#ecdh.getPublicKey()), auth: base64(this.#auth) } };
  }

  /** What has come and was not taken yet. */
  take(): Pushed | undefined {
    if (this.#wrong.length > 0) throw new Error(this.#wrong.join('\n'));
    return this.#pushed.shift();
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  async #take(request: IncomingMessage): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    if (request.method !== 'POST' || request.url !== '/push/one') throw new Error(`${request.method} ${request.url}`);
    if (request.headers['content-encoding'] !== 'aes128gcm') throw new Error(`coded as ${request.headers['content-encoding']}`);
    this.#identify(request.headers.authorization ?? '');
    const topic = request.headers.topic;
    this.#pushed.push({ text: this.#open(Buffer.concat(pieces)), topic: Array.isArray(topic) ? topic[0] : topic, ttl_s: Number(request.headers.ttl) });
  }

  /** RFC 8292: a signed token for this service, which is good for at most a day, and the key that it is signed with. */
  #identify(authorization: string): void {
    const [, token = '', key = ''] = /^vapid t=([^,]+),\s*k=(.+)$/.exec(authorization) ?? [];
    const [head = '', claims = '', signature = ''] = token.split('.');
    const point = Buffer.from(key, 'base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: base64(point.subarray(1, 33)), y: base64(point.subarray(33, 65)) };
    const signed = verify('sha256', Buffer.from(`${head}.${claims}`), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
    const { aud, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { aud: string; exp: number };
    if (!signed) throw new Error('The token is not signed with the key.');
    if (aud !== this.origin) throw new Error(`The token is for ${aud}.`);
    if (exp * 1000 < Date.now() || exp * 1000 > Date.now() + 86_400_000) throw new Error('The token is good for too long or not at all.');
  }

  /** RFC 8291 section 3.4 with one record of RFC 8188. */
  #open(body: Buffer): string {
    const salt = body.subarray(0, 16);
    const length = body[20] ?? 0;
    const sender = body.subarray(21, 21 + length);
    const secret = this.#ecdh.computeSecret(sender);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.#ecdh.getPublicKey(), sender]);
    const key = derived(secret, this.#auth, info, 32);
    const content = derived(key, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
    const nonce = derived(key, salt, Buffer.from('Content-Encoding: nonce\0'), 12);
    const record = body.subarray(21 + length);
    const cipher = createDecipheriv('aes-128-gcm', content, nonce);
    cipher.setAuthTag(record.subarray(-16));
    const plain = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
    const end = plain.lastIndexOf(2);
    return plain.subarray(0, end).toString();
  }
}
