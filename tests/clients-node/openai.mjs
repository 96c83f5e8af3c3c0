import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { assert, guardedUrl, idle, model, openUrl, question, runAll, test, weather } from "./harness.mjs";

const client = new OpenAI({ baseURL: `${openUrl}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Write a story about a cat named Tom." }];
const greedy = { model, messages, temperature: 0, max_tokens: 20 };
const tools = [{ type: "function", function: { name: "get_weather", ...weather } }];
const ask = { model, messages: [{ role: "user", content: question }], temperature: 0, tools };

test("lists models", async () => {
  const names = [];
  for await (const card of client.models.list()) names.push(card.id);
  assert.deepEqual(names, [model, "alias"]);
  assert.equal((await client.models.retrieve(model)).id, model);
});
test("chats", async () => {
  const answer = await client.chat.completions.create(greedy);
  assert.match(answer.choices[0].message.content, /^Once upon a time/);
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 20);
});
test("streams the same text", async () => {
  const whole = await client.chat.completions.create(greedy);
  let text = "", last;
  for await (const chunk of await client.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? "";
    last = chunk;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.deepEqual(last.usage, whole.usage);
});
test("gathers a stream", async () => {
  const stream = client.chat.completions.stream({ ...greedy, n: 2, temperature: 1, seed: 5 });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices.length, 2);
  assert.ok(final.choices.every(choice => choice.message.role === "assistant" && choice.message.content.length > 0));
});
test("is told log-probabilities", async () => {
  const answer = await client.chat.completions.create({ ...greedy, logprobs: true, top_logprobs: 3 });
  const tokens = answer.choices[0].logprobs.content;
  assert.equal(tokens.length, 20);
  assert.ok(tokens.every(token => token.logprob <= 0 && token.top_logprobs.length === 3 && token.top_logprobs[0].logprob >= token.logprob));
  assert.equal(Buffer.from(tokens.flatMap(token => token.bytes)).toString(), answer.choices[0].message.content);
});
test("calls a tool and answers with its result", async () => {
  const call = await client.chat.completions.create(ask);
  assert.equal(call.choices[0].finish_reason, "tool_calls");
  const [made] = call.choices[0].message.tool_calls;
  assert.equal(made.function.name, "get_weather");
  assert.deepEqual(JSON.parse(made.function.arguments), { city: "Paris" });
  const answer = await client.chat.completions.create({
    ...ask,
    messages: [...ask.messages, call.choices[0].message, { role: "tool", tool_call_id: made.id, content: '{"weather":"sunny"}' }],
  });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.match(answer.choices[0].message.content, /sunny/);
});
test("streams a tool call", async () => {
  const stream = client.chat.completions.stream(ask);
  const parts = [];
  stream.on("tool_calls.function.arguments.delta", delta => parts.push(delta.arguments_delta));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { city: "Paris" });
  assert.equal(parts.join(""), final.choices[0].message.tool_calls[0].function.arguments);
});
test("runs tools to the end", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    ...ask,
    tools: [{ type: "function", function: { ...tools[0].function, parse: JSON.parse, function: ({ city }) => { asked.push(city); return { weather: "sunny" }; } } }],
  });
  assert.match(await runner.finalContent(), /sunny/);
  assert.deepEqual(asked, ["Paris"]);
});
test("takes a tool made with zod", async () => {
  const tool = zodFunction({ name: "get_weather", description: weather.description, parameters: z.object({ city: z.string() }) });
  const call = await client.chat.completions.create({ ...ask, tools: [tool] });
  assert.deepEqual(JSON.parse(call.choices[0].message.tool_calls[0].function.arguments), { city: "Paris" });
});
test("is told the reasoning", async () => {
  const answer = await client.chat.completions.create({ ...greedy, messages: [{ role: "user", content: "What is 7 + 8?" }], reasoning_effort: "high", max_tokens: 100 });
  assert.match(answer.choices[0].message.reasoning_content, /15/);
  assert.match(answer.choices[0].message.content, /15/);
  assert.ok(answer.usage.completion_tokens_details.reasoning_tokens > 0);
});
test("sees typed errors", async () => {
  const is = (type, param, code) => error => {
    assert.ok(error instanceof type, String(error));
    assert.equal(error.param, param);
    if (code) assert.equal(error.code, code);
    assert.ok(error.requestID.length > 0);
    return true;
  };
  await assert.rejects(client.chat.completions.create({ ...greedy, temperature: 5 }), is(OpenAI.BadRequestError, "temperature"));
  await assert.rejects(client.chat.completions.create({ ...greedy, model: "other" }), is(OpenAI.NotFoundError, "model", "model_not_found"));
  await assert.rejects(client.chat.completions.create({ ...greedy, max_tokens: 9999 }), is(OpenAI.BadRequestError, "max_tokens", "context_length_exceeded"));
  await assert.rejects(client.chat.completions.create({ ...greedy, stream: true, top_p: 5 }), is(OpenAI.BadRequestError, "top_p"));
  await assert.rejects(client.chat.completions.create({ ...greedy, response_format: zodResponseFormat(z.object({ a: z.string() }), "a") }), is(OpenAI.BadRequestError, "response_format"));
  await assert.rejects(new OpenAI({ baseURL: `${guardedUrl}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list(), is(OpenAI.AuthenticationError, null, "invalid_api_key"));
});
test("is let in with a key", async () => {
  assert.equal((await new OpenAI({ baseURL: `${guardedUrl}/v1`, apiKey: "second-key" }).models.list()).data.length, 2);
});
test("leaves a stream", async () => {
  let seen = 0;
  for await (const _ of await client.chat.completions.create({ model, messages, max_tokens: 1900, ignore_eos: true, stream: true })) if (++seen === 3) break;
  await idle();
});
test("aborts a request", async () => {
  const controller = new AbortController();
  const request = client.chat.completions.create({ model, messages, max_tokens: 1900, ignore_eos: true }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(request, OpenAI.APIUserAbortError);
  await idle();
});
test("completes text", async () => {
  const whole = await client.completions.create({ model, prompt: "Once upon a time", temperature: 0, max_tokens: 8, echo: true, logprobs: 1 });
  assert.match(whole.choices[0].text, /^Once upon a time/);
  assert.equal(whole.choices[0].logprobs.token_logprobs[0], null);
  let text = "";
  for await (const chunk of await client.completions.create({ model, prompt: "Once upon a time", temperature: 0, max_tokens: 8, echo: true, stream: true })) text += chunk.choices[0].text;
  assert.equal(text, whole.choices[0].text);
});
test("uses responses", async () => {
  const response = await client.responses.create({ model, input: "What is 7 + 8?", temperature: 0, reasoning: { effort: "high" } });
  assert.equal(response.status, "completed");
  assert.match(response.output_text, /15/);
  assert.equal(response.output[0].type, "reasoning");
  const stream = client.responses.stream({ model, input: "What is 7 + 8?", temperature: 0 });
  let text = "";
  stream.on("response.output_text.delta", event => (text += event.delta));
  const final = await stream.finalResponse();
  assert.equal(text, final.output.find(item => item.type === "message").content[0].text);
  assert.match(text, /15/);
});
test("calls tools through responses", async () => {
  const tool = { type: "function", name: "get_weather", strict: false, ...weather };
  const call = await client.responses.create({ model, input: question, temperature: 0, tools: [tool] });
  assert.equal(call.output[0].type, "function_call");
  assert.deepEqual(JSON.parse(call.output[0].arguments), { city: "Paris" });
  const answer = await client.responses.create({
    model, temperature: 0, tools: [tool],
    input: [{ role: "user", content: question }, ...call.output, { type: "function_call_output", call_id: call.output[0].call_id, output: '{"weather":"sunny"}' }],
  });
  assert.match(answer.output_text, /sunny/);
  const streamed = await client.responses.stream({ model, input: question, temperature: 0, tools: [tool] }).finalResponse();
  assert.equal(streamed.output[0].arguments, call.output[0].arguments);
});
await runAll();
