// Whether the page is so narrow that one pane is shown at a time.
import { MediaQuery } from 'svelte/reactivity';

export const narrow = new MediaQuery('max-width: 640px');
