import os

from anthropic import Anthropic

client = Anthropic(api_key="k", base_url=os.environ["BASE_URL"])
q = "Why?"
prompt = f"Human: {q}\n\nAssistant:"
print(client.completions.create(model="claude-2", prompt=prompt, max_tokens_to_sample=9).completion.strip())
