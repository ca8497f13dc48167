// What is shown, as the address has it after its `#`, so that a view can be bookmarked and sent to a colleague at the same machine:
// `#case=ID&layers=cam,truth&opacity=70&invert=1`.

/// The state in the address. `layers` is null where it says nothing of them.
export function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  const opacity = Number.parseInt(words.get("opacity") ?? "", 10);
  return {
    case: words.get("case"),
    layers: words.has("layers") ? words.get("layers").split(",").filter(Boolean) : null,
    opacity: Number.isNaN(opacity) ? 70 : Math.min(100, Math.max(0, opacity)),
    invert: words.get("invert") === "1",
  };
}

/// Writes it, without a new entry in the history for every case leafed through.
export function write(state) {
  const words = new URLSearchParams();
  if (state.case !== null) words.set("case", state.case);
  words.set("layers", state.layers.join(","));
  words.set("opacity", String(state.opacity));
  if (state.invert) words.set("invert", "1");
  // A comma need not be escaped, and reads better so.
  history.replaceState(null, "", `#${words.toString().replaceAll("%2C", ",")}`);
}
