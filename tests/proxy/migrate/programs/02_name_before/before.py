import os

import anthropic


class Reader:
    def __init__(self):
        self.client = anthropic.Anthropic(api_key="k", base_url=os.environ["BASE_URL"])

    def sum_up(self, doc: str, words: int) -> str:
        text = f"""{anthropic.HUMAN_PROMPT} Here is a text:

<doc>{doc}</doc>

Tell it in {words} words, as {{json}}, with "quotes" and a \\ in it.{anthropic.AI_PROMPT}"""
        answer = self.client.completions.create(
            prompt=text, model="claude-instant-1.2", max_tokens_to_sample=1000, temperature=0, top_k=5
        )
        return f"<p>{answer.completion}</p>"


print(Reader().sum_up("Line one.\nLine two — with ünïcode.", 20).replace("<p> ", "<p>"))
