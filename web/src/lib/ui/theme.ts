// Makes the page follow the chosen theme and density.

export type Theme = 'system' | 'light' | 'dark' | 'contrast';
export type Density = 'comfortable' | 'compact';

let ends: (() => void) | undefined;

/** The colours of the browser's own bars, which cannot read the tokens. */
const BARS = { light: '#f4f1ec', dark: '#161b1f' } as const;

/**
 * Applies a theme to the document. `system` follows the system's wish for dark and for more contrast, also when it changes later.
 */
export function applyTheme(theme: Theme): void {
  ends?.();
  const root = document.documentElement;
  const more = window.matchMedia('(prefers-contrast: more)');
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    if (theme !== 'system') root.dataset.theme = theme;
    else if (more.matches) root.dataset.theme = 'contrast';
    else delete root.dataset.theme;
    const isDark = theme === 'dark' || (theme !== 'light' && dark.matches);
    let meta = document.querySelector<HTMLMetaElement>('meta[name="theme-color"]');
    if (!meta) {
      meta = document.createElement('meta');
      meta.name = 'theme-color';
      document.head.append(meta);
    }
    meta.content = isDark ? BARS.dark : BARS.light;
  };
  more.addEventListener('change', apply);
  dark.addEventListener('change', apply);
  ends = () => {
    more.removeEventListener('change', apply);
    dark.removeEventListener('change', apply);
  };
  apply();
}

export function applyDensity(density: Density): void {
  document.documentElement.dataset.density = density;
}
