"""Thinking that passes through a client of another wire: opened for its own provider, cut out for every other."""

import json

import pytest

from routing.wire import messages, responses, seals
from tests.routing.wire.answers import ANTHROPIC, CALLING, REDACTED, SIGNED, TOLD

HI = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("block", [SIGNED, REDACTED], ids=["signed", "redacted"])
def test_a_sealed_block_opens_to_itself(block):
    assert seals.opened(seals.sealed(block)) == block


@pytest.mark.parametrize(
    "block",
    [
        None,
        {"type": "thinking", "thinking": "…"},
        {"type": "thinking", "thinking": "…", "signature": ""},
        {"type": "thinking", "thinking": "…", "signature": seals.sealed()},
        {"type": "text", "text": "Hi"},
    ],
)
def test_what_nobody_signed_is_the_mark_alone(block):
    assert seals.sealed(block) == seals.MARK
    assert seals.opened(seals.MARK) is None


@pytest.mark.parametrize("text", ["", "!", "bnVsbA==", "W10=", "eyJ0eXBlIjogW119"])
def test_what_a_client_made_up_opens_to_nothing(text):
    assert seals.opened(seals.MARK + text) is None


def test_a_block_opens_without_what_a_client_added():
    forged = seals.b64encode(json.dumps(SIGNED | {"cache_control": {}}).encode()).decode()
    assert seals.opened(seals.MARK + forged) == SIGNED


def test_a_relayed_body_of_responses_loses_marked_reasoning_and_nothing_else():
    own = {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "gAAA"}
    told = responses.answer(ANTHROPIC, TOLD)["output"]
    body = {"model": "gpt-5.2", "store": False, "input": [HI, own, *told]}

    assert seals.is_in(json.dumps(body).encode())
    assert seals.unsealed(body) == body | {"input": [HI, own, *told[2:]]}


def test_a_relayed_body_of_messages_loses_marked_thinking_and_nothing_else():
    told = messages.answer(CALLING, TOLD)["content"]
    lone = {"role": "assistant", "content": told[:1]}
    body = {"model": "claude-opus-5-5", "messages": [HI, {"role": "assistant", "content": [SIGNED, *told]}, lone]}

    cut = seals.unsealed(body)
    assert cut == body | {"messages": [HI, {"role": "assistant", "content": [SIGNED, *told[1:]]}]}
    assert not seals.is_in(json.dumps(cut).encode())


def test_marked_thinking_is_not_read_back():
    told = messages.answer(CALLING, TOLD)["content"]
    asked = messages.read({"model": "m", "max_tokens": 9, "messages": [HI, {"role": "assistant", "content": told}]})

    assert [block["type"] for block in asked.request.messages[1].content] == ["text", "tool_use", "tool_use"]


def test_a_body_without_the_mark_is_left_alone():
    body = {"input": "Hi", "messages": [HI, {"role": "user", "content": []}, "odd"]}
    assert seals.unsealed(body) == body
    assert not seals.is_in(json.dumps(body).encode())
