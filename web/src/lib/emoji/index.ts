// Emoji: the picker (EmojiPicker.svelte), and completion while writing.
export { completeEmoji, emojiOfCode, loadEmoji } from './completion.svelte';
export { recentEmoji, rememberEmoji } from './recent';
