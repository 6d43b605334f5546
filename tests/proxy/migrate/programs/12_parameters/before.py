import os

from anthropic import AI_PROMPT, HUMAN_PROMPT, Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
question = "Name a tree."
params = {
    "model": "claude-2",
    "prompt": f"{HUMAN_PROMPT} {question}{AI_PROMPT}",
    "max_tokens_to_sample": 30,
    "stop_sequences": ["END", HUMAN_PROMPT],
    "metadata": {"user_id": "u-1"},
}
print(client.completions.create(**params).completion.strip())
