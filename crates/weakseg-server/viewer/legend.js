// Which layers and classes are seen, and what their colours mean.

import { present, style } from "./overlay.js";

/// Layers shown where nobody has chosen: those that answer the question of the run.
const USUAL = ["prediction", "truth"];

export class Legend {
  /// `parts` are elements: legend, classes. `changed` is called when something is to be drawn anew.
  constructor(run, parts, changed) {
    Object.assign(this, { run, parts, changed, layers: [], there: [], classes: [], hidden: new Set() });
    // Kept over cases, also of layers that the present one lacks; not heeded of one that has none of them.
    Object.assign(this, { wanted: null, heeded: false });
  }

  /// The layers that there are.
  show(layers) {
    this.layers = layers;
    this.heeded = this.wanted?.length === 0 || layers.some(({ name }) => this.wanted?.includes(name));
    const seen = layers.map(present);
    // A layer keeps its key where there is nothing of it; an empty mask says something.
    this.there = layers.map(({ planes }, i) => (planes.length === 0 ? "none" : seen[i].size === 0 ? "empty" : ""));
    const classes = new Set(seen.flatMap((classes) => [...classes]));
    // What there is of a single class its layers say.
    this.classes = this.run.classes.length > 1 ? [...classes].sort((a, b) => a - b) : [];
    this.render();
  }

  /// Names of the layers to be seen: those chosen, unless there was none of them here.
  names() {
    return (this.heeded ? this.wanted : null) ?? USUAL;
  }

  isShown(layer) {
    return this.names().includes(layer.name);
  }

  isClassShown(k) {
    return !this.hidden.has(k);
  }

  toggle(name) {
    const shown = new Set(this.names());
    if (!shown.delete(name)) shown.add(name);
    Object.assign(this, { wanted: [...shown], heeded: true });
    this.render();
    this.changed();
  }

  /// The layer of a digit key.
  toggleNumber(number) {
    const layer = this.layers[number - 1];
    if (layer) this.toggle(layer.name);
  }

  render() {
    const rows = this.layers.map((layer, i) => {
      const line = row(layer.title, this.isShown(layer), () => this.toggle(layer.name), this.swatch(layer), String(i + 1));
      const there = this.there[i];
      if (there !== "") line.querySelector("span").append(Object.assign(document.createElement("small"), { textContent: there }));
      line.classList.toggle("none", there !== "");
      return line;
    });
    this.parts.legend.replaceChildren(...rows);
    const coloured = this.layers.find((layer) => layer.kind === "mask");
    const swatches = (k) => swatch(coloured?.colours[k], 0.6, 1);
    const classes = this.classes.map((k) => row(this.run.classes[k], this.isClassShown(k), () => this.toggleClass(k), swatches(k)));
    this.parts.classes.replaceChildren(...classes);
  }

  toggleClass(k) {
    if (!this.hidden.delete(k)) this.hidden.add(k);
    this.render();
    this.changed();
  }

  swatch(layer) {
    if (layer.planes.length === 0) return swatch("", 0, 0);
    if (layer.kind === "heat") {
      const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((step) => this.run.heat[step]);
      const element = document.createElement("i");
      element.className = "swatch";
      element.style.backgroundImage = `linear-gradient(90deg, ${stops.join(", ")})`;
      return element;
    }
    const { fill, line } = style(layer);
    // Of several classes the style alone tells the layers apart.
    return swatch(layer.colours.length === 1 ? layer.colours[0] : "", fill, line);
  }
}

function swatch(colour, fill, line) {
  const element = document.createElement("i");
  element.className = "swatch";
  const paint = colour || "currentcolor";
  element.style.borderColor = line > 0 ? paint : "transparent";
  element.style.background = fill > 0 ? `color-mix(in srgb, ${paint} ${Math.round(100 * Math.min(1, 1.6 * fill))}%, transparent)` : "none";
  return element;
}

/// A box to tick with its picture and its key.
function row(text, checked, toggle, picture, key = "") {
  const line = document.createElement("li");
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = checked;
  // Rows are made anew; the focus stays where it was.
  box.addEventListener("change", () => {
    const place = [...line.parentNode.children].indexOf(line);
    const list = line.parentNode;
    toggle();
    list.children[place]?.querySelector("input")?.focus();
  });
  const name = document.createElement("span");
  name.textContent = text;
  label.append(box, picture, name);
  if (key) {
    const sign = document.createElement("kbd");
    sign.textContent = key;
    label.append(sign);
  }
  line.append(label);
  return line;
}
