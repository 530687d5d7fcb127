// Starts the gallery in the theme, density and language that its address names.
import { mount } from 'svelte';
import { setLocale } from '$lib/i18n';
import { applyDensity, applyTheme, type Density, type Theme } from '$lib/ui';
import '../styles/base.css';
import Gallery from './Gallery.svelte';

const query = new URLSearchParams(location.search);
applyTheme((query.get('theme') ?? 'system') as Theme);
applyDensity((query.get('density') ?? 'comfortable') as Density);
await setLocale(query.get('lang') ?? undefined);
const target = document.getElementById('app');
if (target) mount(Gallery, { target, props: { part: query.get('part') ?? 'ui' } });
