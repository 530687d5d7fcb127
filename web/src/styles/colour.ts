// Reads the colours of the tokens and computes their contrast as WCAG 2.2 defines it; for tests.

type Rgb = [number, number, number];

/** OKLCH to linear sRGB, by Björn Ottosson's matrices. */
function linear([lightness, chroma, hue]: Rgb): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

/** How far a colour lies outside of sRGB: 0 within. */
export function outside(oklch: Rgb): number {
  return Math.max(0, ...linear(oklch).map((channel) => Math.max(-channel, channel - 1)));
}

function luminance(oklch: Rgb): number {
  const [r, g, b] = linear(oklch).map((channel) => Math.min(1, Math.max(0, channel))) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** From 1 to 21. */
export function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

export interface Theme {
  name: string;
  colours: Map<string, Rgb>;
}

const PAIR = /--([\w-]+):\s*light-dark\(oklch\(([\d. ]+)\),\s*oklch\(([\d. ]+)\)\)/g;

/** The four themes of tokens.css: light, dark, and high contrast of both. */
export function themesOf(css: string): Theme[] {
  const [plain = '', contrasting = ''] = css.split(":root[data-theme='contrast']");
  const read = (part: string, into: Map<string, Rgb>, dark: boolean): Map<string, Rgb> => {
    for (const [, name = '', light = '', night = ''] of part.matchAll(PAIR)) into.set(name, (dark ? night : light).trim().split(/\s+/).map(Number) as Rgb);
    return into;
  };
  return [false, true].flatMap((dark) => {
    const colours = read(plain, new Map(), dark);
    const name = dark ? 'dark' : 'light';
    return [
      { name, colours },
      { name: `contrast ${name}`, colours: read(contrasting, new Map(colours), dark) },
    ];
  });
}
