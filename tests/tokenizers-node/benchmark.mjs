// usage: node benchmark.mjs TOKENIZER.json TEXTS.json
// TEXTS.json is a list of lists of strings. First output line: seconds to load the tokenizer. Then, for each input line
// (the number of a list), one line: [seconds to encode the list on one thread, tokens it gave].
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

process.env.TOKENIZERS_PARALLELISM = "false"; // read by the native code when it encodes a batch
const { Tokenizer } = await import("tokenizers");
const now = () => Number(process.hrtime.bigint()) / 1e9;

const lists = JSON.parse(readFileSync(process.argv[3], "utf8"));
let start = now();
const tokenizer = Tokenizer.fromFile(process.argv[2]);
console.log(now() - start);
for await (const line of createInterface({ input: process.stdin })) {
  const list = lists[Number(line)];
  start = now();
  const encodings = list.length === 1 ? [await tokenizer.encode(list[0])] : await tokenizer.encodeBatch(list);
  const seconds = now() - start;
  console.log(JSON.stringify([seconds, encodings.reduce((sum, encoding) => sum + encoding.getLength(), 0)]));
}
