import Anthropic from "@anthropic-ai/sdk";

class Bot {
  constructor() {
    this.client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });
  }

  async ask(question) {
    const { completion, stop_reason: reason, model } = await this.client.completions.create({
      model: "claude-2",
      prompt: `${Anthropic.HUMAN_PROMPT} ${question}${Anthropic.AI_PROMPT}`,
      max_tokens_to_sample: 100,
    });
    return { text: completion.trim(), ok: reason === "stop_sequence", named: model.length > 0 };
  }

  later(question) {
    return this.client.completions
      .create({
        model: "claude-2",
        prompt: `${Anthropic.HUMAN_PROMPT} ${question}${Anthropic.AI_PROMPT}`,
        max_tokens_to_sample: 100,
      })
      .then(({ completion }) => completion.trim());
  }
}

const bot = new Bot();
console.log(await bot.ask("Why?"));
console.log(await bot.later("And why not?"));
