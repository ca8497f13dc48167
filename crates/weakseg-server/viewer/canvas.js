// The image on its canvas: window and level, zoom and pan, layers over it.
//
// Pixels have 8 bits, as the network was shown them: a window is a table of 256 values, which is quick enough without a shader.

import { painted } from "./pixels.js";

/// Window and level that change nothing.
const WHOLE = { width: 255, level: 127.5 };

export class Stage {
  /// `told` is called when anything but the image changes.
  constructor(canvas, readout, told) {
    Object.assign(this, { canvas, readout, told, image: null, overlays: [], opacity: 0.7, invert: false });
    this.restore();
    new ResizeObserver(() => this.redraw()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.drag(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /// Shows an image; window, zoom and place stay for the next one of the same size, as one leafs through a series.
  show(image) {
    const same = this.image?.width === image.width && this.image?.height === image.height;
    this.image = image;
    if (!same) this.restore();
    this.retone();
  }

  /// Shows nothing.
  clear() {
    this.image = null;
    this.readout.textContent = "";
    this.redraw();
  }

  /// Layers, first the lowest.
  lay(overlays) {
    this.overlays = overlays;
    this.redraw();
  }

  restore() {
    this.window = { ...WHOLE };
    this.zoom = 1;
    this.offset = [0, 0];
  }

  reset() {
    this.restore();
    this.invert = false;
    this.retone();
    this.told();
  }

  toggleInvert() {
    this.invert = !this.invert;
    this.retone();
    this.told();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.redraw();
  }

  adjust(width, level) {
    this.window.width = Math.min(1020, Math.max(1, this.window.width + width));
    this.window.level = Math.min(255, Math.max(0, this.window.level + level));
    this.retone();
  }

  pan(x, y) {
    this.offset = [this.offset[0] + x, this.offset[1] + y];
    this.redraw();
  }

  /// Enlarges by `factor` around a place of the canvas, its middle by default.
  magnify(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const zoom = Math.min(64, Math.max(0.2, this.zoom * factor));
    const real = zoom / this.zoom;
    const [cx, cy] = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
    this.offset = [
      x - cx - (x - cx - this.offset[0]) * real,
      y - cy - (y - cy - this.offset[1]) * real,
    ];
    this.zoom = zoom;
    this.redraw();
  }

  drag(event) {
    if (!this.image) return;
    const panning = event.button !== 0;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const move = ({ movementX: x, movementY: y }) => (panning ? this.pan(x, y) : this.adjust(x, y / 2));
    const end = () => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", end);
      this.canvas.removeEventListener("pointercancel", end);
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
  }

  wheel(event) {
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    // Lines and pages of a mouse, pixels of a touchpad.
    const step = event.deltaMode === 0 ? event.deltaY / 400 : event.deltaY / 12;
    this.magnify(2 ** -Math.max(-1, Math.min(1, step)), event.clientX - box.left, event.clientY - box.top);
  }

  /// Shift moves the window, Alt the image; arrows alone are for the list of cases.
  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (!arrow || event.shiftKey === event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey) this.adjust(8 * arrow[0], 4 * arrow[1]);
    else this.pan(32 * arrow[0], 32 * arrow[1]);
  }

  /// Pixels through the window. At most once a frame, for a drag moves faster.
  retone() {
    this.stale = true;
    this.redraw();
  }

  tone() {
    const { width, height, data } = this.image;
    const low = this.window.level - this.window.width / 2;
    const table = Uint8ClampedArray.from({ length: 256 }, (_, value) => {
      const toned = (255 * (value - low)) / this.window.width;
      return this.invert ? 255 - toned : toned;
    });
    const toned = new Uint8ClampedArray(data.length);
    for (let i = 0; i < data.length; i += 4) {
      toned[i] = table[data[i]];
      toned[i + 1] = table[data[i + 1]];
      toned[i + 2] = table[data[i + 2]];
      toned[i + 3] = 255;
    }
    this.toned = painted(width, height, toned);
    this.stale = false;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const { canvas, image } = this;
    const ratio = devicePixelRatio || 1;
    const [across, down] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(1, Math.round(side * ratio)));
    // Setting a size clears, also to the one it has.
    if (canvas.width !== across) canvas.width = across;
    if (canvas.height !== down) canvas.height = down;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, across, down);
    if (!image) return;
    if (this.stale) this.tone();
    const scale = Math.min(across / image.width, down / image.height) * this.zoom;
    const [width, height] = [image.width * scale, image.height * scale];
    const left = (across - width) / 2 + this.offset[0] * ratio;
    const top = (down - height) / 2 + this.offset[1] * ratio;
    // Much enlarged, pixels are seen as they are.
    context.imageSmoothingEnabled = scale < 3 * ratio;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.toned, left, top, width, height);
    context.globalAlpha = this.opacity;
    for (const { canvas: picture, smooth } of this.overlays) {
      context.imageSmoothingEnabled = smooth || width < picture.width;
      context.drawImage(picture, left, top, width, height);
    }
    context.globalAlpha = 1;
    this.readout.textContent =
      `${image.width} × ${image.height} · ${Math.round((100 * scale) / ratio)} % · ` +
      `window ${Math.round(this.window.width)}, level ${Math.round(this.window.level)} of 8 bits${this.invert ? ", inverted" : ""}`;
  }
}
