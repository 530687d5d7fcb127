// Files on their way to the server: progress, cancelling, and what a message then says about them.
import type { Call } from '../api/socket';
import type { Attachment } from '../api/types';

export interface Upload {
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  /** A picture of it while it is only here. */
  readonly preview?: string;
  /** From 0 to 1. */
  readonly progress: number;
  readonly state: 'sending' | 'done' | 'failed';
  readonly reason?: string;
  readonly attachment?: Attachment;
}

interface Running {
  file: File;
  extra: Partial<Attachment>;
  request?: XMLHttpRequest;
  isCancelled?: true;
}

let lastId = 0;

export class Uploads {
  items = $state.raw<readonly Upload[]>([]);
  #running = new Map<number, Running>();

  constructor(private readonly call: Call) {}

  get busy(): boolean {
    return this.items.some((u) => u.state === 'sending');
  }

  get attachments(): Attachment[] {
    return this.items.flatMap((u) => u.attachment ?? []);
  }

  /** Begins to send a file; the promise ends when it is there, or not. */
  add(file: File, extra: Partial<Attachment> = {}): Promise<void> {
    const id = ++lastId;
    const isPicture = /^image\/(png|jpeg|gif|webp|avif)$/.test(file.type);
    const upload: Upload = {
      id,
      name: file.name || (isPicture ? `image.${file.type.slice(6)}` : 'file'),
      type: file.type || 'application/octet-stream',
      bytes: file.size,
      ...(isPicture ? { preview: URL.createObjectURL(file) } : {}),
      progress: 0,
      state: 'sending',
    };
    this.items = [...this.items, upload];
    this.#running.set(id, { file, extra });
    return this.#send(id);
  }

  retry(id: number): void {
    this.#change(id, { state: 'sending', progress: 0 });
    void this.#send(id);
  }

  remove(id: number): void {
    const running = this.#running.get(id);
    if (running) {
      running.isCancelled = true;
      running.request?.abort();
    }
    this.#running.delete(id);
    const item = this.items.find((u) => u.id === id);
    if (item?.preview) URL.revokeObjectURL(item.preview);
    this.items = this.items.filter((u) => u.id !== id);
  }

  clear(): void {
    for (const { id } of this.items) this.remove(id);
  }

  async #send(id: number): Promise<void> {
    const running = this.#running.get(id);
    const item = this.items.find((u) => u.id === id);
    if (!running || !item) return;
    try {
      const { name, bytes, type } = item;
      const size = item.preview ? await measure(running.file) : {};
      const { upload, url } = await this.call('file.begin', { name, bytes, type });
      if (running.isCancelled) return;
      await this.#put(id, running, upload);
      const attachment: Attachment = { url, name, type, bytes, ...size, ...running.extra };
      this.#change(id, { state: 'done', progress: 1, attachment });
    } catch (error) {
      if (!running.isCancelled) {
        this.#change(id, { state: 'failed', reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }

  #put(id: number, running: Running, to: { url: string; headers: Record<string, string> }): Promise<void> {
    return new Promise((resolve, reject) => {
      // fetch() tells nothing of the progress of what it sends.
      const request = new XMLHttpRequest();
      running.request = request;
      request.open('PUT', to.url);
      for (const [name, value] of Object.entries(to.headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => {
        if (event.lengthComputable) this.#change(id, { progress: event.loaded / event.total });
      };
      request.onload = () => {
        if (request.status >= 200 && request.status < 300) resolve();
        else reject(new Error(`${request.status} ${request.statusText}`.trim()));
      };
      request.onerror = () => reject(new Error('The connection broke.'));
      request.onabort = () => reject(new Error('Cancelled.'));
      request.send(running.file);
    });
  }

  #change(id: number, change: Partial<Upload>): void {
    this.items = this.items.map((u) => (u.id === id ? { ...u, ...change } : u));
  }
}

/** Width and height of a picture, so that its place is kept before it has loaded. */
async function measure(file: File): Promise<{ width?: number; height?: number }> {
  try {
    const picture = await createImageBitmap(file);
    const { width, height } = picture;
    picture.close();
    return { width, height };
  } catch {
    return {};
  }
}
