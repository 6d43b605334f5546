import os

import anthropic


class Reader:
    def __init__(self):
        self.client = anthropic.Anthropic(api_key="k", base_url=os.environ["BASE_URL"])

    def sum_up(self, doc: str, words: int) -> str:
        text = f"""Here is a text:

<doc>{doc}</doc>

Tell it in {words} words, as {{json}}, with "quotes" and a \\ in it."""
        answer = self.client.messages.create(
            messages=[{"role": "user", "content": text}], stop_sequences=["\n\nHuman:"], model="claude-haiku-4-5-20251001", max_tokens=1000, extra_headers={"anthropic-version": "2023-06-01"}, extra_body={"temperature": 0, "top_k": 5}
        )
        return f"<p>{''.join(block.text for block in answer.content if block.type == 'text')}</p>"


print(Reader().sum_up("Line one.\nLine two — with ünïcode.", 20).replace("<p> ", "<p>"))
