// Layers as pictures to be laid over the image.

import { painted } from "./pixels.js";

/// How masks that lie over each other are told apart whatever their colours: what was learnt from is an area, what was predicted an area
/// with its outline, the truth an outline.
const STYLES = {
  "pseudo-label": { fill: 0.45, line: 0 },
  prediction: { fill: 0.35, line: 1 },
  truth: { fill: 0, line: 1 },
};

const VOID = 255;

/// The picture of a layer, of its classes that `shown` lets through; null if there is nothing in it.
export function overlay(layer, shown, ramp) {
  return layer.kind === "heat" ? heat(layer, shown, ramp) : mask(layer, shown);
}

/// `fill`, `line` of a mask layer, for its legend.
export function style(layer) {
  return STYLES[layer.name] ?? STYLES.prediction;
}

/// The classes that a layer shows something of.
export function present(layer) {
  const classes = new Set();
  for (const plane of layer.planes) {
    if (layer.kind === "heat") classes.add(plane.class);
    else if (plane.class !== null) {
      if (plane.values.includes(1)) classes.add(plane.class);
    } else {
      for (const value of new Set(plane.values)) if (value !== 0 && value !== VOID) classes.add(value - 1);
    }
  }
  return classes;
}

/// The greatest of the maps at each place; the hotter, the less of the image is seen, as in the report.
function heat(layer, shown, ramp) {
  const planes = layer.planes.filter((plane) => shown(plane.class));
  if (planes.length === 0) return null;
  const { width, height } = planes[0];
  const greatest = planes[0].values.slice();
  for (const { values } of planes.slice(1)) {
    for (let i = 0; i < greatest.length; i++) if (values[i] > greatest[i]) greatest[i] = values[i];
  }
  // Colour and opacity of each value as one number, so that a pixel is one assignment.
  const shares = ramp.flatMap((colour, value) => [...colour, 255 * (value / 255) * (2 - value / 255)]);
  const table = new Uint32Array(Uint8ClampedArray.from(shares).buffer);
  const pixels = new Uint32Array(greatest.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[greatest[i]];
  return { canvas: painted(width, height, new Uint8ClampedArray(pixels.buffer)), smooth: true };
}

function mask(layer, shown) {
  if (layer.planes.length === 0) return null;
  const { width, height } = layer.planes[0];
  const data = new Uint8ClampedArray(4 * width * height);
  const { fill, line } = style(layer);
  // A line of one pixel of a large image would be lost on the screen.
  const thick = Math.max(1, Math.round(Math.max(width, height) / 500));
  const down = thick * width;
  // As of a map, for a threshold is moved over images of many millions.
  const pixels = new Uint32Array(data.buffer);
  const [areaAlpha, edgeAlpha] = [fill, line].map((share) => Math.round(255 * share));
  const areas = layer.colours.map((colour) => packed(rgb(colour), areaAlpha));
  const edges = layer.colours.map((colour) => packed(rgb(colour), edgeAlpha));
  const seen = layer.colours.map((_, k) => shown(k));
  const unknown = packed([128, 128, 128], 70);
  for (const { class: of, values } of layer.planes) {
    for (let y = 0, i = 0; y < height; y++) {
      const border = y < thick || y >= height - thick;
      for (let x = 0; x < width; x++, i++) {
        const value = values[i];
        if (value === 0) continue;
        if (value === VOID) {
          if (data[4 * i + 3] === 0) pixels[i] = unknown;
          continue;
        }
        const k = of ?? value - 1;
        if (!seen[k]) continue;
        const edge =
          line > 0 &&
          (border || x < thick || x >= width - thick ||
            values[i - thick] !== value || values[i + thick] !== value || values[i - down] !== value || values[i + down] !== value);
        if ((edge ? edgeAlpha : areaAlpha) >= data[4 * i + 3]) pixels[i] = edge ? edges[k] : areas[k];
      }
    }
  }
  return { canvas: painted(width, height, data), smooth: false };
}

/// A colour and its opacity as a pixel's one number.
function packed(colour, alpha) {
  return new Uint32Array(Uint8ClampedArray.of(...colour, alpha).buffer)[0];
}

/// `#rrggbb` as three numbers.
export function rgb(css) {
  return [1, 3, 5].map((at) => Number.parseInt(css.slice(at, at + 2), 16));
}
