// OpenAI's SDK for Node against a gateway: node openai.mjs <url> <key> <model> <mark> <file> <errand>
// Prints one JSON object: what the client saw of each form of a request.

import { readFileSync, writeFileSync } from 'node:fs';
import OpenAI from 'openai';

const [url, key, model, mark, file, errand] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 20_000 });
const hello = [{ role: 'user', content: `Say something plain (${mark}).` }];
const slow = [{ role: 'user', content: `Count slowly (${mark}).` }];

const path = { type: 'string' };
const tools = [
  {
    name: 'write',
    description: 'Write a text into a file.',
    parameters: { type: 'object', properties: { path, text: path }, required: ['path', 'text'] },
    parse: JSON.parse,
    function: (given) => { writeFileSync(given.path, given.text); return 'written'; },
  },
  {
    name: 'read',
    description: 'Read a file.',
    parameters: { type: 'object', properties: { path }, required: ['path'] },
    parse: JSON.parse,
    function: (given) => readFileSync(given.path, 'utf8'),
  },
];

async function chat() {
  const answer = await client.chat.completions.create({ model, messages: hello });
  return { text: answer.choices[0].message.content, finish: answer.choices[0].finish_reason, usage: answer.usage };
}

async function chatStream() {
  const options = { model, messages: hello, stream_options: { include_usage: true } };
  const stream = client.chat.completions.stream(options);
  let deltas = 0;
  stream.on('content', () => { deltas += 1; });
  const answer = await stream.finalChatCompletion();
  return { text: answer.choices[0].message.content, deltas, usage: await stream.totalUsage() };
}

async function chatTools(stream) {
  const runner = client.chat.completions.runTools({
    model,
    stream,
    messages: [{ role: 'user', content: errand }],
    tools: tools.map((tool) => ({ type: 'function', function: tool })),
  });
  return { text: await runner.finalContent(), file: readFileSync(file, 'utf8') };
}

async function responses() {
  const answer = await client.responses.create({ model, input: hello });
  return { text: answer.output_text, status: answer.status, usage: answer.usage };
}

async function responsesStream() {
  const stream = client.responses.stream({ model, input: hello });
  const kinds = [];
  for await (const event of stream) kinds.push(event.type);
  const answer = await stream.finalResponse();
  return { text: answer.output_text, first: kinds[0], last: kinds.at(-1) };
}

async function responsesTools() {
  const input = [{ role: 'user', content: errand }];
  const offered = tools.map(({ name, description, parameters }) => ({
    type: 'function', name, description, parameters, strict: false,
  }));
  for (let turn = 0; turn < 5; turn += 1) {
    const answer = await client.responses.stream({ model, input, tools: offered, store: false }).finalResponse();
    const calls = answer.output.filter((item) => item.type === 'function_call');
    if (calls.length === 0) return { text: answer.output_text, file: readFileSync(file, 'utf8') };
    input.push(...answer.output.map(({ parsed_arguments, ...item }) => item));
    for (const call of calls) {
      const output = tools.find((tool) => tool.name === call.name).function(JSON.parse(call.arguments));
      input.push({ type: 'function_call_output', call_id: call.call_id, output });
    }
  }
  throw new Error('the model did not come to an end');
}

// Both calls come in one turn; the runner sends both results back.
async function parallelTools() {
  const files = [`${file}.one`, `${file}.other`];
  const both = `Write the word ${mark} into ${files[0]} and, at the same time, ${mark} into ${files[1]}.`;
  const runner = client.chat.completions.runTools({
    model,
    messages: [{ role: 'user', content: both }],
    tools: tools.map((tool) => ({ type: 'function', function: tool })),
  });
  return { text: await runner.finalContent(), files: files.map((name) => readFileSync(name, 'utf8')) };
}

const picture = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const look = `Look at the picture x.png of ${mark}.`;

async function vision() {
  const content = [{ type: 'text', text: look }, { type: 'image_url', image_url: { url: picture } }];
  const said = await client.chat.completions.create({ model, messages: [{ role: 'user', content }] });
  const parts = [{ type: 'input_text', text: look }, { type: 'input_image', image_url: picture, detail: 'auto' }];
  const answer = await client.responses.create({ model, input: [{ role: 'user', content: parts }] });
  return [said.choices[0].message.content, answer.output_text];
}

async function structured() {
  const schema = { type: 'object', properties: { word: path }, required: ['word'], additionalProperties: false };
  const messages = [{ role: 'user', content: `Answer as JSON (${mark}).` }];
  const format = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } };
  const said = await client.chat.completions.parse({ model, messages, response_format: format });
  const text = { format: { type: 'json_schema', name: 'answer', strict: true, schema } };
  const answer = await client.responses.parse({ model, input: messages, text });
  return [JSON.parse(said.choices[0].message.content), JSON.parse(answer.output_text)];
}

async function thinking() {
  const said = await client.chat.completions.create({ model, messages: hello, reasoning_effort: 'high' });
  const reasoning = { effort: 'high', summary: 'auto' };
  const answer = await client.responses.create({ model, input: hello, reasoning });
  return { text: [said.choices[0].message.content, answer.output_text], items: answer.output.map((item) => item.type) };
}

async function cancel() {
  const controller = new AbortController();
  const request = { model, messages: slow, stream: true };
  const stream = await client.chat.completions.create(request, { signal: controller.signal });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) controller.abort();
  }
  return { aborted: controller.signal.aborted };
}

async function refused() {
  const wrong = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 });
  try {
    await wrong.models.list();
  } catch (error) {
    return { name: error.constructor.name, status: error.status };
  }
  return {};
}

const seen = {
  chat: await chat(),
  chatStream: await chatStream(),
  chatTools: await chatTools(false),
  chatToolsStream: await chatTools(true),
  responses: await responses(),
  responsesStream: await responsesStream(),
  responsesTools: await responsesTools(),
  parallelTools: await parallelTools(),
  vision: await vision(),
  structured: await structured(),
  thinking: await thinking(),
  cancel: await cancel(),
  refused: await refused(),
};
console.log(JSON.stringify(seen));
