// The model on an image of one's own: sent, answered, and looked at with other thresholds.

import { ask } from "./ask.js";
import { layer, painted, picture } from "./pixels.js";

export class Trial {
  /// `parts` are elements: file, thresholds, rule. `show` is called with what to show, `changed` when its mask has, `say` with words.
  constructor(run, parts, { show, changed, say }) {
    Object.assign(this, { run, parts, show, changed, say, trial: null, waiting: new AbortController() });
    parts.file.addEventListener("change", () => {
      if (parts.file.files.length > 0) this.send(parts.file.files[0]);
      // The same file may be chosen again.
      parts.file.value = "";
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length > 0) this.send(event.dataTransfer.files[0]);
    });
  }

  async send(file) {
    if (file.size > this.run.max_upload) {
      this.say(`${file.name} has ${file.size} bytes and the limit is ${this.run.max_upload}; see --max-upload`);
      return;
    }
    // Only the last image sent is waited for, and none once a case is looked at.
    this.waiting.abort();
    const { signal } = (this.waiting = new AbortController());
    this.say(`${file.name}: the network is at work …`);
    try {
      // A folder, or a file that has gone: sent, it would look as if the server had.
      await file.slice(0, 1).arrayBuffer().catch(() => {
        throw new Error("it cannot be read; choose an image file, no folder");
      });
      if (signal.aborted) return;
      const headers = { "content-type": "application/octet-stream" };
      const said = await ask("/predict", { method: "POST", body: file, headers, signal });
      const [image, scores, mask] = await Promise.all([picture(said.image), ...said.layers.map(layer)]);
      if (signal.aborted) return;
      const own = mask.planes.map((plane) => plane.values);
      this.trial = { name: file.name, said, scores, mask, own };
      this.say("");
      this.show({ name: file.name, facts: "sent to the model, and kept nowhere", notes: said.notes, image, layers: [scores, mask] });
      this.controls();
    } catch (error) {
      if (error.name !== "AbortError") this.say(`${file.name}: ${error.message}`);
    }
  }

  /// Forgets the image, or the one that is waited for, as when a case of the run is looked at.
  close() {
    this.waiting.abort();
    this.trial = null;
    this.parts.thresholds.replaceChildren();
    this.parts.rule.textContent = "";
  }

  /// What the classifier says of a finding.
  probability(k) {
    const { probabilities, open } = this.trial.said;
    if (probabilities === null) return "";
    const closed = open.includes(k) ? "" : `, not above the gate ${this.run.model.gate}: its mask is empty`;
    return `probability by the classifier ${probabilities[k].toFixed(3)}${closed}`;
  }

  controls() {
    const { model, space, classes } = this.run;
    const rows = classes.map((name, k) => (space === "findings" ? this.threshold(name, k) : this.saving(name, k)));
    this.parts.thresholds.replaceChildren(...rows);
    const also = [
      model.min_area > 0 ? `regions below ${Number((100 * model.min_area).toPrecision(6))} % of the image removed` : "",
      model.triplet ? "a finding that is nowhere sure left out" : "",
      model.gate !== null ? `masks emptied where the classifier says ${model.gate} or less` : "",
    ].filter(Boolean);
    const lost = model.lost_gate === null ? "" : ` The run gates its masks at ${model.lost_gate}; a file holds no classifier to do so.`;
    this.parts.rule.textContent =
      space === "findings"
        ? `At ${model.threshold} the mask is the one that weakseg predict writes${also.length > 0 ? ` (${also.join(", ")})` : ""}. ` +
          `At any other threshold it is every pixel above it, of probabilities in 255 steps; the files keep ${model.threshold}.${lost}`
        : `The most probable class of each pixel, as weakseg predict writes it.${lost}`;
  }

  /// A slider for a finding, its own threshold, and a way to keep the mask.
  threshold(name, k) {
    const own = this.run.model.threshold;
    const input = document.createElement("input");
    // The model's own threshold may lie between any steps.
    Object.assign(input, { type: "range", min: 0, max: 1, step: "any", value: own });
    input.setAttribute("aria-label", `threshold of ${name}`);
    const shown = document.createElement("output");
    const set = (threshold) => {
      input.value = threshold;
      shown.textContent = threshold === own ? `${threshold}, the model's` : threshold.toFixed(3);
      const scores = this.trial.scores.planes[k].values;
      this.trial.mask.planes[k].values =
        threshold === own ? this.trial.own[k] : scores.map((score) => (score > 255 * threshold ? 1 : 0));
      back.disabled = threshold === own;
    };
    const back = button("back to the model's", () => {
      set(own);
      this.changed();
    });
    input.addEventListener("input", () => {
      set(Number(input.value));
      this.changed();
    });
    const row = this.group(name, k, [shown, input, back, this.save(name, k)]);
    set(own);
    return row;
  }

  group(name, k, parts) {
    const element = document.createElement("div");
    element.className = "threshold";
    const title = Object.assign(document.createElement("b"), { textContent: name });
    const said = Object.assign(document.createElement("p"), { textContent: this.probability(k), className: "hint" });
    element.append(title, ...parts, said);
    return element;
  }

  saving(name, k) {
    return this.group(name, k, [this.save(name, k)]);
  }

  save(name, k) {
    return button("save mask", async () => {
      // Another image may be looked at before this one's mask is written.
      const { name: file, mask } = this.trial;
      const { width, height, values } = mask.planes[this.run.space === "findings" ? k : 0];
      const there = this.run.space === "findings" ? 1 : k + 1;
      const data = new Uint8ClampedArray(4 * values.length);
      for (let i = 0; i < values.length; i++) data.fill(values[i] === there ? 255 : 0, 4 * i, 4 * i + 3);
      for (let i = 3; i < data.length; i += 4) data[i] = 255;
      const blob = await painted(width, height, data).convertToBlob({ type: "image/png" });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${file.replace(/\.(png|jpe?g|dcm|dicom)$/i, "")}-${name}.png`;
      link.click();
      // Once the browser has taken it.
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }
}

function button(text, pressed) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  element.addEventListener("click", pressed);
  return element;
}
