/*
 * What a person's program sees of `@anthropic-ai/sdk` 0.4.
 *
 * Reads one JSON object from standard input (`base_url`, `api_key`, `calls`) and prints one:
 * `seen`, a list with what came of each call. `patience` bounds its endless retries: so many
 * milliseconds after the first attempt the caller aborts, as a person would.
 */
"use strict";

const { readFileSync } = require("node:fs");
const { Client } = require("@anthropic-ai/sdk");

async function main() {
  const script = JSON.parse(readFileSync(0, "utf8"));
  const client = new Client(script.api_key, { apiUrl: script.base_url });
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
      returned = await client.complete(call.params);
    } else {
      returned = await readStream(client, call, pieces);
    }
  } catch (problem) {
    error = describe(problem);
  }
  // In this generation the resolved value is the answer, the updates are its beginnings.
  return { text: returned?.completion ?? null, pieces, returned, error };
}

async function readStream(client, call, pieces) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), call.patience);
  try {
    return await client.completeStream(call.params, {
      signal: controller.signal,
      onUpdate: (event) => {
        pieces.push(event.completion ?? null);
        if (pieces.length === call.read) {
          controller.abort();
        }
      },
    });
  } finally {
    clearTimeout(timer);
  }
}

function describe(problem) {
  return {
    classes: [problem.name],
    status: null,
    message: problem.message,
    body: null,
  };
}

main();
