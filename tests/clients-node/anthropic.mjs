import Anthropic from "@anthropic-ai/sdk";
import { assert, guardedUrl, idle, model, openUrl, question, runAll, test, weather } from "./harness.mjs";

const client = new Anthropic({ baseURL: openUrl, apiKey: "none", maxRetries: 0 });
const tools = [{ name: "get_weather", description: weather.description, input_schema: weather.parameters }];
const greedy = { model, max_tokens: 20, temperature: 0, messages: [{ role: "user", content: "Write a story about a cat named Tom." }] };
const ask = { model, max_tokens: 200, temperature: 0, tools, messages: [{ role: "user", content: question }] };

test("creates and streams the same message", async () => {
  const whole = await client.messages.create(greedy);
  assert.match(whole.content[0].text, /^Once upon a time/);
  assert.equal(whole.stop_reason, "max_tokens");
  const stream = client.messages.stream(greedy);
  let text = "";
  stream.on("text", delta => (text += delta));
  const final = await stream.finalMessage();
  assert.equal(text, whole.content[0].text);
  assert.deepEqual(final.content, whole.content);
  assert.equal(final.stop_reason, whole.stop_reason);
  assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
});
test("takes a system prompt and stop sequences", async () => {
  const message = await client.messages.create({ ...greedy, system: "Be kind.", stop_sequences: ["time"] });
  assert.equal(message.stop_reason, "stop_sequence");
  assert.equal(message.stop_sequence, "time");
});
test("calls a tool and answers with its result", async () => {
  const call = await client.messages.create(ask);
  assert.equal(call.stop_reason, "tool_use");
  const use = call.content.find(block => block.type === "tool_use");
  assert.deepEqual(use.input, { city: "Paris" });
  const answer = await client.messages.create({
    ...ask, messages: [...ask.messages, { role: "assistant", content: call.content }, { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: '{"weather":"sunny"}' }] }],
  });
  assert.equal(answer.stop_reason, "end_turn");
  assert.match(answer.content[0].text, /sunny/);
});
test("streams a tool call", async () => {
  const final = await client.messages.stream(ask).finalMessage();
  assert.equal(final.stop_reason, "tool_use");
  assert.deepEqual(final.content.find(block => block.type === "tool_use").input, { city: "Paris" });
});
test("is told the thinking", async () => {
  const thinking = { ...greedy, max_tokens: 1100, messages: [{ role: "user", content: "What is 7 + 8?" }], thinking: { type: "enabled", budget_tokens: 1024 } };
  const whole = await client.messages.create(thinking);
  assert.deepEqual(whole.content.map(block => block.type), ["thinking", "text"]);
  const streamed = await client.messages.stream(thinking).finalMessage();
  assert.deepEqual(streamed.content, whole.content);
});
test("counts tokens", async () => {
  const { input_tokens } = await client.messages.countTokens({ model, messages: greedy.messages });
  const { usage } = await client.messages.create(greedy);
  assert.equal(input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
});
test("sees typed errors", async () => {
  await assert.rejects(client.messages.create({ ...greedy, temperature: 5 }), error => error instanceof Anthropic.BadRequestError && error.error.error.type === "invalid_request_error" && error.requestID?.length !== 0);
  await assert.rejects(client.messages.create({ ...greedy, model: "other" }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...greedy, max_tokens: 0 }), Anthropic.BadRequestError);
  await assert.rejects(new Anthropic({ baseURL: guardedUrl, apiKey: "wrong", maxRetries: 0 }).messages.create(greedy), Anthropic.AuthenticationError);
});
test("is let in with a key", async () => {
  assert.equal((await new Anthropic({ baseURL: guardedUrl, apiKey: "first-key" }).messages.create(greedy)).role, "assistant");
});
test("aborts a stream", async () => {
  const stream = client.messages.stream({ ...greedy, max_tokens: 1900 });
  let seen = 0;
  stream.on("text", () => { if (++seen === 3) stream.abort(); });
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  await idle();
});
await runAll();
