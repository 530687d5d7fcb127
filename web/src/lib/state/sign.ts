// The sign by which a room is known wherever its name stands.
import type { Room } from '../api/types';

/** That only some may speak tells a reader more than who may come in. */
export function signOf(room: Pick<Room, 'public' | 'announcements_only'> | undefined): 'megaphone' | 'lock' | 'hash' {
  if (room?.announcements_only) return 'megaphone';
  return room?.public === false ? 'lock' : 'hash';
}
