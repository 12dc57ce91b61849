"""An answer as it is written, over the openai SDK.

CORTEX_URL=http://127.0.0.1:8000 CORTEX_KEY=ck_… python examples/stream.py
"""

import os

from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['CORTEX_URL']}/v1", api_key=os.environ["CORTEX_KEY"])
with client.chat.completions.create(
    model="task:code_generation",
    messages=[{"role": "user", "content": "A function that reverses a string."}],
    stream=True,
) as chunks:
    for chunk in chunks:
        print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)
print()
