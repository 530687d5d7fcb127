// Starts the web client.
import { mount } from 'svelte';
import './styles/base.css';
import { setLocale } from '$lib/i18n';
import App from './app/App.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('The page has no place for the client.');
const place = target;
// The texts first, so that nothing is shown twice.
void setLocale().finally(() => mount(App, { target: place }));
