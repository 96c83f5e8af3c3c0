import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { assert, guardedUrl, idle, model, openUrl, question, runAll, test, weather } from "./harness.mjs";

const provider = createOpenAICompatible({ name: "lapidary", baseURL: `${openUrl}/v1`, includeUsage: true });
const chat = provider.chatModel(model);
const prompt = "Write a story about a cat named Tom.";
const getWeather = asked => tool({ description: weather.description, inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => { asked.push(city); return { weather: "sunny" }; } });

test("generates and streams the same text", async () => {
  const whole = await generateText({ model: chat, prompt, temperature: 0, maxOutputTokens: 20 });
  assert.match(whole.text, /^Once upon a time/);
  assert.equal(whole.finishReason, "length");
  const stream = streamText({ model: chat, prompt, temperature: 0, maxOutputTokens: 20 });
  let text = "";
  for await (const part of stream.textStream) text += part;
  assert.equal(text, whole.text);
  assert.equal((await stream.usage).outputTokens, 20);
});
test("completes text", async () => {
  const { text } = await generateText({ model: provider.completionModel(model), prompt: "Once upon a time", temperature: 0, maxOutputTokens: 8 });
  assert.ok(text.length > 0);
});
test("runs a tool", async () => {
  const asked = [];
  const result = await generateText({ model: chat, prompt: question, temperature: 0, tools: { get_weather: getWeather(asked) }, stopWhen: stepCountIs(3) });
  assert.deepEqual(asked, ["Paris"]);
  assert.match(result.text, /sunny/);
});
test("runs a tool while streaming", async () => {
  const asked = [];
  const stream = streamText({ model: chat, prompt: question, temperature: 0, tools: { get_weather: getWeather(asked) }, stopWhen: stepCountIs(3) });
  const kinds = new Set();
  for await (const part of stream.fullStream) {
    assert.notEqual(part.type, "error", JSON.stringify(part));
    kinds.add(part.type);
  }
  assert.deepEqual(asked, ["Paris"]);
  assert.ok(kinds.has("tool-input-delta") && kinds.has("tool-result"));
  assert.match(await stream.text, /sunny/);
});
test("is told the reasoning", async () => {
  const options = { model: chat, prompt: "What is 7 + 8?", temperature: 0, providerOptions: { lapidary: { reasoningEffort: "high" } } };
  const whole = await generateText(options);
  assert.match(whole.reasoningText, /15/);
  const stream = streamText(options);
  await stream.consumeStream();
  assert.equal(await stream.reasoningText, whole.reasoningText);
});
test("sees typed errors", async () => {
  await assert.rejects(generateText({ model: chat, prompt, temperature: 5, maxRetries: 0 }), error => {
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 400);
    assert.match(error.message, /temperature/);
    return true;
  });
  const guarded = createOpenAICompatible({ name: "lapidary", baseURL: `${guardedUrl}/v1`, apiKey: "wrong" });
  await assert.rejects(generateText({ model: guarded.chatModel(model), prompt, maxRetries: 0 }), error => error.statusCode === 401);
});
test("aborts a stream", async () => {
  const controller = new AbortController();
  const stream = streamText({ model: chat, prompt, abortSignal: controller.signal, providerOptions: { lapidary: { ignore_eos: true } } });
  let seen = 0;
  for await (const part of stream.fullStream) if (part.type === "text-delta" && ++seen === 3) controller.abort();
  await idle();
});
await runAll();
