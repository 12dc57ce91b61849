"""The official SDKs against Cortex, told nothing but another base_url: they notice nothing but the answer."""

import anthropic
import openai
import pytest

from tests.routing.seeded import seeded  # noqa: F401

pytestmark = pytest.mark.usefixtures("seeded")
HELLO = [{"role": "user", "content": "hello"}]


def test_chat_completions_by_task(of_openai: openai.OpenAI) -> None:
    raw = of_openai.chat.completions.with_raw_response.create(model="task:code_generation", messages=HELLO)
    completion = raw.parse()

    assert completion.choices[0].message.content.startswith("[simulated]")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert (raw.headers["X-Cortex-Provider"], raw.headers["X-Cortex-Model"]) == ("anthropic", "sonnet")
    assert raw.headers["X-Cortex-Fallback"] == "false"


def test_chat_completions_streamed(of_openai: openai.OpenAI) -> None:
    with of_openai.chat.completions.create(
        model="task:vibe_coding", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    assert text.startswith("[simulated]")
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens > 0


def test_responses(of_openai: openai.OpenAI) -> None:
    response = of_openai.responses.create(model="task:complex_reasoning", input="hello", instructions="Be short.")
    assert response.status == "completed"
    assert response.output_text.startswith("[simulated]")


def test_responses_streamed(of_openai: openai.OpenAI) -> None:
    with of_openai.responses.stream(model="task:complex_reasoning", input="hello") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert final.output_text.startswith("[simulated]")


def test_messages(of_anthropic: anthropic.Anthropic) -> None:
    message = of_anthropic.messages.create(model="task:meeting_summary", max_tokens=200, messages=HELLO)
    assert message.content[0].text.startswith("[simulated]")
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0


def test_messages_streamed(of_anthropic: anthropic.Anthropic) -> None:
    with of_anthropic.messages.stream(model="task:vibe_coding", max_tokens=200, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].text == text
    assert text.startswith("[simulated]")


def test_count_tokens_is_the_estimate_that_routing_uses(of_anthropic: anthropic.Anthropic) -> None:
    count = of_anthropic.messages.count_tokens
    thinking = {"type": "enabled", "budget_tokens": 2048}  # less than a max_tokens that a count has none of

    plain = count(model="task:meeting_summary", messages=HELLO).input_tokens
    assert 10 < plain < count(model="task:meeting_summary", messages=HELLO, thinking=thinking).input_tokens


def test_a_model_named_as_at_its_vendor_serves_itself(of_anthropic: anthropic.Anthropic) -> None:
    raw = of_anthropic.messages.with_raw_response.create(model="sonnet", max_tokens=20, messages=HELLO)
    assert raw.headers["X-Cortex-Reason"] == "observed: sonnet, as the client asked"
    assert raw.parse().model == "sonnet"


def test_models_are_listed_in_each_vendors_form(of_openai: openai.OpenAI, of_anthropic: anthropic.Anthropic) -> None:
    listed = {model.id for model in of_openai.models.list()}
    assert {"task:code_generation", "anthropic:sonnet"} <= listed
    assert {model.id for model in of_anthropic.models.list()} == listed
    assert of_openai.models.retrieve("task:code_generation").owned_by == "cortex"


@pytest.mark.parametrize(
    ("model", "error"),
    [("gpt-0-none", openai.NotFoundError), ("task:nothing_like_it", openai.UnprocessableEntityError)],
)
def test_a_name_that_means_nothing_is_told_in_the_wires_own_shape(of_openai: openai.OpenAI, model, error) -> None:
    with pytest.raises(error) as caught:
        of_openai.chat.completions.create(model=model, messages=HELLO)
    assert caught.value.body["message"]
    assert caught.value.code


def test_a_stranger_is_refused_by_each_wire(address: str) -> None:
    with (
        openai.OpenAI(base_url=f"{address}/v1", api_key="sk-other", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model="auto", messages=HELLO)
    with (
        anthropic.Anthropic(base_url=address, api_key="sk-other", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(model="auto", max_tokens=5, messages=HELLO)
