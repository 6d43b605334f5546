import { Anthropic, AI_PROMPT as AI, HUMAN_PROMPT as HUMAN } from "@anthropic-ai/sdk";

const anthropic = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });
const MODEL = "claude-2.1";

export async function summary(doc) {
  const prompt = `${HUMAN} Sum this up:

<doc>
	${doc}
</doc>
${AI}`;
  let result;
  try {
    result = await anthropic.completions.create({ model: MODEL, prompt, max_tokens_to_sample: 100 });
  } catch (error) {
    console.error(error);
  }
  return result?.completion;
}

console.log((await summary("A `long` story.")).trim());
