// The one door to the server.
export { Client, type ClientOptions, type TokenStore } from './client';
export { Disconnected, isPassing, Refused, TimedOut, type LinkState, type WebSocketLike } from './socket';
export type * from './types';
