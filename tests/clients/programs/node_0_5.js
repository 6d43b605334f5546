/*
 * What a person's program sees of `@anthropic-ai/sdk` from 0.5 to 0.137, the generated releases.
 *
 * Reads one JSON object from standard input (`base_url`, `api_key` or `auth_token`,
 * `max_retries`, `headers`, `calls`) and prints one: `seen`, a list with what came of each call.
 */
"use strict";

const { readFileSync } = require("node:fs");
const { Anthropic } = require("@anthropic-ai/sdk");

async function main() {
  const script = JSON.parse(readFileSync(0, "utf8"));
  const client = new Anthropic({
    apiKey: script.api_key ?? null,
    authToken: script.auth_token ?? null,
    baseURL: script.base_url,
    maxRetries: script.max_retries,
    defaultHeaders: script.headers,
  });
  const seen = [];
  for (const call of script.calls) {
    seen.push(await ask(client, call));
  }
  console.log(JSON.stringify({ seen }));
}

async function ask(client, call) {
  const pieces = [];
  let returned = null;
  let error = null;
  try {
    if (call.way === "whole") {
      returned = await client.completions.create(call.params);
      pieces.push(returned.completion);
    } else {
      const stream = await client.completions.create({ ...call.params, stream: true });
      for await (const event of stream) {
        returned = event;
        pieces.push(event.completion);
        if (pieces.length === call.read) break;
      }
    }
  } catch (problem) {
    error = describe(problem);
  }
  return {
    text: pieces.join(""),
    pieces,
    returned,
    request_id: returned?._request_id ?? null,
    error,
  };
}

function describe(problem) {
  const classes = [];
  for (let link = Object.getPrototypeOf(problem); link; link = Object.getPrototypeOf(link)) {
    classes.push(link.constructor.name);
  }
  return {
    classes,
    status: problem.status ?? null,
    message: problem.message,
    body: problem.error ?? null,
  };
}

main();
