/** The ratios as a picture (SVG) for a page that may be light or dark: two bars a row, with etcd as 1. Pure. */
import type { Compared } from './figures.ts';

const width = 820;
const labelWidth = 270;
const barsWidth = 430;
const rowHeight = 40;
const barHeight = 13;
const top = 58;
const bottom = 30;
/** Greys and colours that can be read on white and on black. */
const colours = { text: '#808080', rule: '#8c8c8c', rate: '#3b82c4', cpu: '#2f9e6e' };

/** One bar for how often the rate of etcd, one for how seldom its CPU per operation. On a scale of doublings, from 1/2 on. */
export function picture(rows: readonly Compared[]): string {
  // At a fixed rate both are as fast.
  const shown = rows.flatMap(({ name, ratios, msP99Max }) =>
    ratios === undefined || msP99Max !== undefined ? [] : [{ name, ratios }],
  );
  const largest = Math.max(2, ...shown.flatMap(({ ratios }) => [ratios.rate.median, ratios.cpu.median]));
  const doublings = Math.ceil(Math.log2(largest)) + 1;
  const height = top + shown.length * rowHeight + bottom;
  /** Where a ratio lies. */
  const x = (ratio: number): number => {
    const share = (Math.log2(Math.max(0.5, ratio)) + 1) / doublings;
    return round(labelWidth + Math.min(1, share) * barsWidth);
  };
  const parts: string[] = [];
  for (let power = 0; power < doublings; power++) {
    const ratio = 2 ** power;
    const dash = ratio === 1 ? '' : ' stroke-dasharray="2 4" opacity="0.5"';
    parts.push(line(x(ratio), top - 8, height - bottom, dash));
    parts.push(text(x(ratio), height - bottom + 18, ratio === 1 ? 'etcd' : `× ${ratio}`, 'middle'));
  }
  parts.push(legend(labelWidth, colours.rate, 'operations a second'));
  parts.push(legend(labelWidth + 190, colours.cpu, 'operations per CPU second of the servers'));
  for (const [at, { name, ratios }] of shown.entries()) {
    const y = top + at * rowHeight;
    parts.push(text(labelWidth - 12, y + barHeight + 5, name, 'end'));
    parts.push(bar(y, ratios.rate.median, colours.rate, x));
    parts.push(bar(y + barHeight + 2, ratios.cpu.median, colours.cpu, x));
  }
  const title = '<title>leasehold and etcd 3.4 side by side</title>';
  const font = 'font-family="system-ui, sans-serif" font-size="13"';
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${font} role="img">`;
  return `${head}\n${title}\n${parts.join('\n')}\n</svg>\n`;
}

/** From etcd's line to the ratio, to the left where it is less. */
function bar(y: number, ratio: number, colour: string, x: (ratio: number) => number): string {
  const [from, to] = ratio < 1 ? [x(ratio), x(1)] : [x(1), x(ratio)];
  const rect = `<rect x="${from}" y="${y}" width="${round(Math.max(1, to - from))}" height="${barHeight}" fill="${colour}"/>`;
  return rect + text(Math.max(to, x(1)) + 5, y + barHeight - 2, ratio.toFixed(ratio < 10 ? 1 : 0), 'start');
}

function legend(x: number, colour: string, what: string): string {
  return `<rect x="${x}" y="16" width="${barHeight}" height="${barHeight}" fill="${colour}"/>${text(x + 20, 27, what, 'start')}`;
}

function line(x: number, from: number, to: number, more: string): string {
  return `<line x1="${x}" x2="${x}" y1="${from}" y2="${to}" stroke="${colours.rule}"${more}/>`;
}

function text(x: number, y: number, what: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${round(x)}" y="${round(y)}" fill="${colours.text}" text-anchor="${anchor}">${what}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
