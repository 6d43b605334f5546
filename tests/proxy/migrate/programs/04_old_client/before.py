import os

import anthropic

client = anthropic.Client("k", os.environ["BASE_URL"])
try:
    response = client.completion(
        prompt=f"{anthropic.HUMAN_PROMPT} Name three rivers.{anthropic.AI_PROMPT}",
        stop_sequences=[anthropic.HUMAN_PROMPT],
        model="claude-v1",
        max_tokens_to_sample=200,
    )
    print(response["completion"].strip(), response["stop_reason"] == "stop_sequence")
except anthropic.ApiException as exc:
    print(exc)
