// Further panes: props in, callbacks out, no state of the application.
export { default as DevicesPane } from './DevicesPane.svelte';
export { default as FilesList } from './FilesList.svelte';
export { default as ImageViewer } from './ImageViewer.svelte';
export { default as KeyboardHelp } from './KeyboardHelp.svelte';
export { default as NotificationSettings } from './NotificationSettings.svelte';
export { default as PollCard } from './PollCard.svelte';
export { default as PollEditor } from './PollEditor.svelte';
export { default as ProfileCard } from './ProfileCard.svelte';
export { default as ScheduleDialog } from './ScheduleDialog.svelte';
export { default as VoicePlayer } from './VoicePlayer.svelte';
export { default as VoiceRecorder } from './VoiceRecorder.svelte';
export { kindOf, iconOf, endingOf, type SharedFile } from './files';
export { isMuted, muteChoices } from './mute';
export { isQuiet } from './quiet';
export { dateValue } from './schedule';
export { usualShortcuts, type ShortcutGroup } from './shortcuts';
