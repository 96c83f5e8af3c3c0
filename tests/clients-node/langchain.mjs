import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAI as TextOpenAI } from "@langchain/openai";
import { z } from "zod";
import { assert, guardedUrl, idle, model, openUrl, question, runAll, test, weather } from "./harness.mjs";

const configuration = { baseURL: `${openUrl}/v1` };
const options = { model, apiKey: "none", configuration, temperature: 0, maxRetries: 0 };
const prompt = "Write a story about a cat named Tom.";
const getWeather = tool(async () => '{"weather":"sunny"}', { name: "get_weather", description: weather.description, schema: z.object({ city: z.string() }) });

test("invokes and streams the same text", async () => {
  const chat = new ChatOpenAI({ ...options, maxTokens: 20 });
  const whole = await chat.invoke(prompt);
  assert.match(whole.content, /^Once upon a time/);
  assert.equal(whole.usage_metadata.output_tokens, 20);
  let text = "", last;
  for await (const chunk of await chat.stream(prompt)) {
    text += chunk.content;
    last = last ? last.concat(chunk) : chunk;
  }
  assert.equal(text, whole.content);
  assert.equal(last.usage_metadata.output_tokens, 20);
});
test("batches", async () => {
  const answers = await new ChatOpenAI({ ...options, maxTokens: 5 }).batch([prompt, "What is 7 + 8?", question]);
  assert.equal(answers.length, 3);
  assert.ok(answers.every(answer => answer.content.length > 0));
});
test("runs a tool", async () => {
  const chat = new ChatOpenAI(options).bindTools([getWeather]);
  const asked = [new HumanMessage(question)];
  const call = await chat.invoke(asked);
  assert.equal(call.tool_calls[0].name, "get_weather");
  assert.deepEqual(call.tool_calls[0].args, { city: "Paris" });
  const answer = await chat.invoke([...asked, call, new ToolMessage({ tool_call_id: call.tool_calls[0].id, content: await getWeather.invoke(call.tool_calls[0].args) })]);
  assert.match(answer.content, /sunny/);
});
test("streams a tool call", async () => {
  let whole;
  for await (const chunk of await new ChatOpenAI(options).bindTools([getWeather]).stream(question)) whole = whole ? whole.concat(chunk) : chunk;
  assert.deepEqual(whole.tool_calls[0].args, { city: "Paris" });
});
test("uses responses", async () => {
  const answer = await new ChatOpenAI({ ...options, useResponsesApi: true }).invoke("What is 7 + 8?");
  assert.match(JSON.stringify(answer.content), /15/);
});
test("completes text", async () => {
  assert.ok((await new TextOpenAI({ ...options, maxTokens: 8 }).invoke("Once upon a time")).length > 0);
});
test("sees errors", async () => {
  await assert.rejects(new ChatOpenAI({ ...options, temperature: 5 }).invoke(prompt), error => error.status === 400 && /temperature/.test(error.message));
  await assert.rejects(new ChatOpenAI({ ...options, model: "other" }).invoke(prompt), error => error.status === 404);
  await assert.rejects(new ChatOpenAI({ ...options, configuration: { baseURL: `${guardedUrl}/v1` }, apiKey: "wrong" }).invoke(prompt), error => error.status === 401);
});
test("aborts", async () => {
  const controller = new AbortController();
  const request = new ChatOpenAI({ ...options, modelKwargs: { ignore_eos: true } }).invoke(prompt, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(request);
  await idle();
});
await runAll();
