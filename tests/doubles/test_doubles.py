"""The doubles themselves: in a thread and in a process of their own they are the same as on the loop."""

import json
import subprocess
import sys
import urllib.request

from tests import doubles
from tests.doubles import script
from tests.doubles.script import Act, act_from


def post(url: str, body: object) -> tuple[int, dict]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_double_in_a_thread_plays_its_script_and_remembers():
    with doubles.serve_in_thread(script.rate_limited("7"), script.answer("Hello")) as double:
        assert post(double.openai + "/chat/completions", {"model": "m"})[0] == 429
        status, body = post(double.openai + "/chat/completions", {"model": "m"})

    assert (status, body["choices"][0]["message"]["content"]) == (200, "Hello")
    assert double.bodies == [{"model": "m"}, {"model": "m"}]


def test_a_double_in_a_process_is_told_and_asked_over_http():
    command = [sys.executable, "-m", "tests.doubles"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            post(
                url + "/_double/script", {"acts": [script.error(529).as_json()], "then": script.answer("Hi").as_json()}
            )

            assert post(url + "/v1/messages", {"model": "m"})[0] == 529
            assert post(url + "/v1/messages", {"model": "m"})[1]["content"] == [{"type": "text", "text": "Hi"}]
            seen = json.load(urllib.request.urlopen(url + "/_double/requests", timeout=5))
        finally:
            process.kill()

    assert [each["path"] for each in seen["requests"]] == ["/v1/messages", "/v1/messages"]


def test_an_act_survives_json():
    act = script.answer(tool_calls=(("weather", {"city": "Paris"}),), headers={"a": "b"})
    assert act_from(json.loads(json.dumps(act.as_json()))) == act
    assert act_from({}) == Act()
