// usage: node oracle.mjs TOKENIZER.json < strings.jsonl
// Each input line is a JSON string. Each output line is what HuggingFace's tokenizers makes of it:
// [ids with special tokens, ids without, text of the first, text of the first without special tokens].
import { createInterface } from "node:readline";
import { Tokenizer } from "tokenizers";

const tokenizer = Tokenizer.fromFile(process.argv[2]);
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const text = JSON.parse(line);
  const withSpecial = (await tokenizer.encode(text, null, { addSpecialTokens: true })).getIds();
  const without = (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
  const kept = await tokenizer.decode(withSpecial, false);
  const skipped = await tokenizer.decode(withSpecial, true);
  process.stdout.write(JSON.stringify([withSpecial, without, kept, skipped]) + "\n");
}
