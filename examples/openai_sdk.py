"""A call by task type over the openai SDK: which model serves is Cortex's to decide.

CORTEX_URL=http://127.0.0.1:8000 CORTEX_KEY=ck_… python examples/openai_sdk.py
"""

import os

from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['CORTEX_URL']}/v1", api_key=os.environ["CORTEX_KEY"])
raw = client.chat.completions.with_raw_response.create(
    model="task:code_generation",
    messages=[{"role": "user", "content": "A function that reverses a string."}],
)
print(raw.parse().choices[0].message.content)
print(f"served by {raw.headers['X-Cortex-Provider']}:{raw.headers['X-Cortex-Model']}, {raw.headers['X-Cortex-Reason']}")
