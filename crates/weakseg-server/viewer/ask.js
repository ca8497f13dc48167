// What the server is asked, and its errors in words.

/// A JSON document. Refusals are `{"error": {"code", "message"}}`.
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("weakseg serve does not answer; is it still running?");
  }
  let document;
  try {
    document = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(`the answer was cut off (status ${response.status})`);
  }
  if (!response.ok) throw new Error(document.error?.message ?? `status ${response.status}`);
  return document;
}
