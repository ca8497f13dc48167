// What is shown, as the address has it after its `#`, so that a view can be bookmarked and sent to a colleague at the same machine:
// `#case=ID&layers=cam,truth&opacity=70&invert=1`.

/// The state in the address. `layers` is null where it says nothing of them.
export function read() {
  // What waits to be written is older than what somebody has put there.
  clearTimeout(waiting);
  const words = new URLSearchParams(location.hash.slice(1));
  const opacity = Number.parseInt(words.get("opacity") ?? "", 10);
  return {
    case: words.get("case"),
    layers: words.has("layers") ? words.get("layers").split(",").filter(Boolean) : null,
    opacity: Number.isNaN(opacity) ? 70 : Math.min(100, Math.max(0, opacity)),
    invert: words.get("invert") === "1",
  };
}

/// Milliseconds that nothing has to change for before it is written. Browsers take a hundred or two within seconds and pass over or throw
/// at further ones, and a slider makes one a frame.
const REST = 200;

let waiting;

/// Writes it once it rests, without a new entry in the history for every case leafed through. `layers` is null where nobody has chosen.
export function write(state) {
  clearTimeout(waiting);
  waiting = setTimeout(() => put(state), REST);
}

function put(state) {
  const words = new URLSearchParams();
  if (state.case !== null) words.set("case", state.case);
  if (state.layers !== null) words.set("layers", state.layers.join(","));
  words.set("opacity", String(state.opacity));
  if (state.invert) words.set("invert", "1");
  // A comma need not be escaped, and reads better so.
  history.replaceState(null, "", `#${words.toString().replaceAll("%2C", ",")}`);
}
