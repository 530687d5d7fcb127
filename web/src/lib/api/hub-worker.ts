// The shared worker that holds the one connection of all tabs.
import { Hub } from './hub';
import type { FromTab, ToTab } from './shared-socket';
import type { WebSocketLike } from './socket';

interface SharedScope {
  onconnect: ((event: MessageEvent) => void) | null;
  location: Location;
  navigator: Navigator;
}
const scope = globalThis as unknown as SharedScope;

const { protocol, host } = scope.location;
const hub = new Hub(() => new WebSocket(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/api/socket`, 'waxwing.v1') as WebSocketLike);

scope.onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  const say = (message: ToTab): void => port.postMessage(message);
  const side = hub.join({
    open: () => say({ type: 'open' }),
    frame: (data) => say({ type: 'frame', data }),
    close: () => say({ type: 'close' }),
  });
  port.onmessage = ({ data }: MessageEvent<FromTab>) => {
    if (data.type === 'frame') side.frame(data.data);
    else if (data.type === 'close') {
      side.close();
      port.close();
    } else if (scope.navigator.locks) {
      // A tab that is closed or dies says nothing, but lets go of its lock.
      void scope.navigator.locks.request(data.lock, () => side.close());
    }
  };
};
