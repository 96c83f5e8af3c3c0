// Runs the cases of one client against the server and prints one JSON line for each: name, and the error if it failed.
// node CLIENT.mjs OPEN_URL GUARDED_URL: the second server wants the key "first-key".
import { strict as assert } from "node:assert";

export const [openUrl, guardedUrl] = process.argv.slice(2).map(url => url.replace(/\/$/, ""));
export const model = "gemma4-tiny";
export { assert };

const cases = [];
export const test = (name, run) => cases.push({ name, run });

export async function runAll() {
  for (const { name, run } of cases) {
    let error = null;
    try {
      await Promise.race([run(), new Promise((_, fail) => setTimeout(() => fail(new Error("it took more than 30 s")), 30_000).unref())]);
    } catch (e) {
      error = e?.stack ?? String(e);
    }
    console.log(JSON.stringify({ name, error }));
  }
  process.exit(0);
}

/** Waits until the server computes nothing: what was aborted has ended. */
export async function idle() {
  for (let i = 0; i < 200; i++) {
    const metrics = await (await fetch(`${openUrl}/metrics`)).text();
    const busy = [...metrics.matchAll(/^vllm:num_requests_(?:running|waiting)\{.*\} (\S+)$/gm)].some(match => Number(match[1]) > 0);
    if (!busy) return;
    await new Promise(go => setTimeout(go, 25));
  }
  assert.fail("the server still computes");
}

export const weather = {
  description: "Gets the weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string", description: "The city." } }, required: ["city"] },
};
export const question = "What is the weather in Paris?";
