import Anthropic, { AI_PROMPT, HUMAN_PROMPT } from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

async function ask(question) {
  const answer = await client.completions.create({
    model: "claude-2", // the large one
    prompt: `${HUMAN_PROMPT} Say \`${question}\` for \$5 and \${six}.${AI_PROMPT}`,
    max_tokens_to_sample: 100,
    stop_sequences: [HUMAN_PROMPT, "END"],
    metadata: { user_id: `u-${question.length}` },
  });
  if (answer.stop_reason === "stop_sequence") console.log("done");
  if (answer.stop_reason !== "stop_sequence") console.log("cut");
  return answer.completion.trim();
}

console.log(await ask("Why?"));
console.log(await ask("Why \\ `not` ${1}?\u2028"));
