// The page: what is asked of the server, and who shows it.

import { ask } from "./ask.js";
import { Stage } from "./canvas.js";
import { Legend } from "./legend.js";
import { CaseList } from "./list.js";
import { overlay, rgb } from "./overlay.js";
import { layer, picture } from "./pixels.js";
import { Trial } from "./predict.js";
import * as state from "./state.js";

const part = (id) => document.getElementById(id);
const say = (words) => {
  part("message").textContent = words;
};

/// Opens the page on what is served.
async function open() {
  const run = await ask("/run");
  const ramp = run.heat.map(rgb);
  document.title = `${run.title} · weakseg`;
  part("title").textContent = run.title;
  part("title").title = `weakseg ${run.version}`;
  part("report").hidden = !run.report;

  let shown = null;
  let request = new AbortController();
  const remember = () =>
    state.write({
      case: list?.current ?? null,
      layers: legend.wanted,
      opacity: Math.round(100 * stage.opacity),
      invert: stage.invert,
    });
  const stage = new Stage(part("canvas"), part("readout"), () => remember());
  const lay = () => {
    const seen = shown.layers.filter((one) => legend.isShown(one));
    stage.lay(seen.map((one) => overlay(one, (k) => legend.isClassShown(k), ramp)).filter(Boolean));
  };
  const legend = new Legend(run, { legend: part("legend"), classes: part("classes") }, () => {
    lay();
    remember();
  });
  const show = (study) => {
    shown = study;
    part("name").textContent = study.name;
    part("facts").textContent = study.facts;
    part("notes").replaceChildren(...study.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
    part("canvas").setAttribute("aria-label", `Image of ${study.name}`);
    part("about").hidden = false;
    part("layers").hidden = false;
    stage.show(study.image);
    legend.show(study.layers);
    lay();
    remember();
  };

  const trial = new Trial(run, { file: part("file"), thresholds: part("thresholds"), rule: part("rule") }, {
    show: (study) => {
      request.abort();
      if (list) list.choose(null);
      show(study);
    },
    changed: lay,
    say,
  });
  part("predict").hidden = run.model === null;

  const ofCase = async (id) => {
    request.abort();
    if (id === null) return;
    request = new AbortController();
    trial.close();
    // Most come before it could be read.
    const slow = setTimeout(() => say(`${id}: reading …`), 400);
    try {
      const answer = await ask(`/cases/${encodeURIComponent(id)}`, { signal: request.signal });
      const [image, ...layers] = await Promise.all([picture(answer.image), ...answer.layers.map(layer)]);
      // Another one may have been chosen while this was decoded.
      if (list.current !== id) return;
      say("");
      const names = answer.labels.flatMap((there, k) => (there ? [run.classes[k]] : []));
      const facts = `${answer.split} · labelled: ${names.join(", ") || "no finding"}`;
      show({ name: id, facts, notes: answer.notes, image, layers });
    } catch (error) {
      if (error.name === "AbortError") return;
      say(`${id}: ${error.message}`);
      // The picture of another case must not be taken for this one's.
      stage.clear();
      for (const name of ["about", "layers"]) part(name).hidden = true;
    } finally {
      clearTimeout(slow);
    }
  };
  const parts = Object.fromEntries(["list", "count", "search", "split", "finding"].map((id) => [id, part(id)]));
  const list = run.cases === null ? null : new CaseList(run, parts, ofCase);
  part("cases").hidden = list === null;
  if (list === null) say("choose an image, or drop one on the page");

  const opacity = part("opacity");
  opacity.addEventListener("input", () => {
    stage.setOpacity(opacity.value / 100);
    remember();
  });
  const recall = () => {
    const { case: id, layers, opacity: percent, invert } = state.read();
    legend.wanted = layers;
    opacity.value = percent;
    stage.setOpacity(percent / 100);
    if (stage.invert !== invert) stage.toggleInvert();
    if (list === null) return;
    const known = run.cases.some((listed) => listed.id === id);
    if (id !== null && !known) say(`the run has no case ${id}`);
    const first = known ? id : run.cases[0]?.id;
    if (first !== undefined && (known || id === null)) list.choose(first);
  };
  addEventListener("hashchange", recall);
  recall();

  document.addEventListener("keydown", (event) => {
    // Keys of a field are its own; so are those with a modifier, the browser's or the canvas's.
    const field = event.target.closest("input:not([type=checkbox]):not([type=file]), select, textarea");
    if (field || event.ctrlKey || event.metaKey || event.altKey) return;
    if (list?.key(event)) event.preventDefault();
    else if (event.key === "i") stage.toggleInvert();
    else if (event.key === "r") stage.reset();
    else if (event.key === "+" || event.key === "=") stage.magnify(1.25);
    else if (event.key === "-") stage.magnify(0.8);
    else if (event.key >= "1" && event.key <= "9") legend.toggleNumber(Number(event.key));
  });
}

open().catch((error) => say(error.message));
