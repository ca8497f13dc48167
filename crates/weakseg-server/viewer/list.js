// The list of cases: search, filters, keyboard.

/// Rows in the page at once; sets have tens of thousands of cases.
const ROWS = 300;

export class CaseList {
  /// `parts` are elements: list, count, search, split, finding. `chosen` is called with the id of a case.
  constructor(run, parts, chosen) {
    Object.assign(this, { run, parts, chosen, current: null, found: [], first: 0 });
    const splits = ["train", "val", "test"].filter((split) => run.cases.some((listed) => listed.split === split));
    options(parts.split, [["", "all splits"], ...splits.map((split) => [split, split])]);
    const classes = run.classes.map((name, k) => [String(k), name]);
    options(parts.finding, [["", "any label"], ["none", "no finding"], ...classes]);
    for (const part of [parts.search, parts.split, parts.finding]) part.addEventListener("input", () => this.filter());
    parts.list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-id]");
      if (row) this.choose(row.dataset.id);
    });
    this.filter();
  }

  filter() {
    const word = this.parts.search.value.trim().toLowerCase();
    const split = this.parts.split.value;
    const finding = this.parts.finding.value;
    this.found = this.run.cases.filter(
      ({ id, split: its, labels }) =>
        id.toLowerCase().includes(word) &&
        (split === "" || its === split) &&
        (finding === "" || (finding === "none" ? labels.length === 0 : labels.includes(Number(finding)))),
    );
    this.first = 0;
    this.render();
  }

  /// Makes a case the current one, and tells.
  choose(id) {
    this.current = id;
    this.render();
    this.chosen(id);
  }

  /// Goes `by` rows on among those found.
  step(by) {
    if (this.found.length === 0) return;
    const at = this.place();
    const next = at < 0 ? 0 : Math.min(this.found.length - 1, Math.max(0, at + by));
    if (next !== at) this.choose(this.found[next].id);
  }

  /// Whether a key was for the list.
  key(event) {
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };
    const by = steps[event.key];
    if (by === undefined || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return false;
    this.step(by);
    return true;
  }

  place() {
    return this.found.findIndex(({ id }) => id === this.current);
  }

  /// The rows around the current one. They stay while it is among them, or what was clicked would go from under the mouse.
  render() {
    const { list, count } = this.parts;
    const place = this.place();
    if (place >= 0 && (place < this.first || place >= this.first + ROWS)) this.first = place - ROWS / 2;
    const first = (this.first = Math.max(0, Math.min(this.first, this.found.length - ROWS)));
    const rows = this.found.slice(first, first + ROWS).map((listed, i) => this.row(listed, first + i));
    const behind = this.found.length - first - rows.length;
    list.replaceChildren(...more(first, "before"), ...rows, ...more(behind, "after"));
    const left = this.run.left_out > 0 ? `; ${this.run.left_out} ids left out` : "";
    count.textContent = `${this.found.length} of ${this.run.cases.length} cases${left}`;
    const current = list.querySelector("[aria-selected=true]");
    if (current) reveal(list, current);
    list.setAttribute("aria-activedescendant", current?.id ?? "");
  }

  row({ id, split, labels }, place) {
    const row = document.createElement("li");
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(id === this.current));
    row.id = `case-${place}`;
    row.dataset.id = id;
    const names = labels.map((k) => this.run.classes[k]).join(", ");
    row.append(part("b", id), part("span", split), part("small", names || "no finding", names ? "found" : ""));
    return row;
  }
}

/// Scrolls the list alone: in a narrow window `scrollIntoView` moves the page too, and the image out of sight.
function reveal(list, row) {
  const [outer, inner] = [list, row].map((element) => element.getBoundingClientRect());
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

function part(kind, text, className = "") {
  const element = document.createElement(kind);
  element.textContent = text;
  element.className = className;
  return element;
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
}

function more(count, where) {
  if (count <= 0) return [];
  const row = part("li", `${count} more ${where}; search, or go on with the arrow keys`, "more");
  row.setAttribute("role", "presentation");
  return [row];
}
