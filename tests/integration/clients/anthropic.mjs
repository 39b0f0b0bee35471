// Anthropic's SDK for Node against a gateway: node anthropic.mjs <url> <key> <model> <mark> <file> <errand> [forms]
// Prints one JSON object: what the client saw of each form of a request (of all, or of those named, with commas).

import { readFileSync, writeFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';

const [url, key, model, mark, file, errand, wanted] = process.argv.slice(2);
const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 20_000 });
const limits = { model, max_tokens: 4096 };
const hello = { ...limits, messages: [{ role: 'user', content: `Say something plain (${mark}).` }] };
const slow = { ...limits, messages: [{ role: 'user', content: `Count slowly (${mark}).` }] };

const path = { type: 'string' };
const tools = [
  betaTool({
    name: 'write',
    description: 'Write a text into a file.',
    inputSchema: { type: 'object', properties: { path, text: path }, required: ['path', 'text'] },
    run: (given) => { writeFileSync(given.path, given.text); return 'written'; },
  }),
  betaTool({
    name: 'read',
    description: 'Read a file.',
    inputSchema: { type: 'object', properties: { path }, required: ['path'] },
    run: (given) => readFileSync(given.path, 'utf8'),
  }),
];

const textOf = (message) => message.content.filter((one) => one.type === 'text').map((one) => one.text).join('');

async function messages() {
  const answer = await client.messages.create(hello);
  return { text: textOf(answer), finish: answer.stop_reason, usage: answer.usage };
}

async function messagesStream() {
  const stream = client.messages.stream(hello);
  let deltas = 0;
  stream.on('text', () => { deltas += 1; });
  const answer = await stream.finalMessage();
  return { text: textOf(answer), deltas, usage: answer.usage };
}

// With `thread: false` each turn sends the whole conversation; without, the runner asks the server to hold it.
async function toolRunner(extra) {
  const asked = { ...limits, ...extra, messages: [{ role: 'user', content: errand }], tools };
  const answer = await client.beta.messages.toolRunner(asked);
  return { text: textOf(answer), file: readFileSync(file, 'utf8') };
}

async function toolRunnerThread() {
  try {
    return await toolRunner({});
  } catch (error) {
    return { error: error.message };
  }
}

async function toolRunnerStream() {
  const asked = { ...limits, thread: false, stream: true, messages: [{ role: 'user', content: errand }], tools };
  let last;
  for await (const stream of client.beta.messages.toolRunner(asked)) last = await stream.finalMessage();
  return { text: textOf(last), file: readFileSync(file, 'utf8') };
}

// Both calls come in one turn; the runner sends both results back.
async function parallelTools() {
  const files = [`${file}.one`, `${file}.other`];
  const both = `Write the word ${mark} into ${files[0]} and, at the same time, ${mark} into ${files[1]}.`;
  const messages = [{ role: 'user', content: both }];
  const answer = await client.beta.messages.toolRunner({ ...limits, thread: false, messages, tools });
  return { text: textOf(answer), files: files.map((name) => readFileSync(name, 'utf8')) };
}

async function vision() {
  const data = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
  const content = [image, { type: 'text', text: `Look at the picture x.png of ${mark}.` }];
  return textOf(await client.messages.create({ ...limits, messages: [{ role: 'user', content }] }));
}

async function structured() {
  const schema = { type: 'object', properties: { word: path }, required: ['word'], additionalProperties: false };
  const answer = await client.messages.parse({
    ...limits,
    messages: [{ role: 'user', content: `Answer as JSON (${mark}).` }],
    output_config: { format: jsonSchemaOutputFormat(schema) },
  });
  return answer.parsed_output;
}

async function cancel() {
  const stream = client.messages.stream(slow);
  stream.on('text', () => stream.abort());
  try {
    await stream.done();
  } catch (error) {
    return { aborted: error instanceof Anthropic.APIUserAbortError };
  }
  return { aborted: false };
}

async function count() {
  const { messages: asked } = hello;
  return (await client.messages.countTokens({ model, messages: asked })).input_tokens;
}

async function refused() {
  const wrong = new Anthropic({ baseURL: url, apiKey: 'sk-wrong', maxRetries: 0 });
  try {
    await wrong.models.list();
  } catch (error) {
    return { name: error.constructor.name, status: error.status };
  }
  return {};
}

const unthreaded = { thread: false };
const thinking = { ...unthreaded, thinking: { type: 'enabled', budget_tokens: 2048 } };
const forms = {
  messages,
  messagesStream,
  toolRunner: () => toolRunner(unthreaded),
  toolRunnerThinking: () => toolRunner(thinking),
  toolRunnerStream,
  parallelTools,
  vision,
  structured,
  count,
  cancel,
  refused,
  toolRunnerThread,
};
const seen = {};
for (const name of wanted?.split(',') ?? Object.keys(forms)) seen[name] = await forms[name]();
console.log(JSON.stringify(seen));
