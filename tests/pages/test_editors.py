"""The editors of the table's parts in a browser: beside the page, by keyboard, in both themes, on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from routing.terms.words import Group
from tests.pages.conftest import NARROW
from tests.pages.test_parts import CODEX, part


@pytest.mark.browser
def test_a_model_is_edited_beside_the_catalogue(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.OPERATOR)
    page.goto("/models/?q=codex")
    page.get_by_role("link", name="Edit openai:codex").click()
    editor = page.locator("#editor-body")
    expect(editor.get_by_label("Asked for as")).to_have_value("gpt-6.1-sol")
    editor.get_by_label("When it is used").fill("Everything with a compiler")
    accessible(page)
    editor.get_by_role("button", name="Preview", exact=True).last.click()
    expect(editor.locator("#preview ins")).to_have_text("Everything with a compiler")
    editor.get_by_label("Why", exact=True).first.fill("It does more by now")
    accessible(page)
    editor.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("revision 2 is in force")).to_be_visible()
    assert page.url.endswith("/models/?q=codex")
    expect(page.get_by_role("cell", name="Everything with a compiler").first).to_be_visible()


@pytest.mark.browser
def test_a_curve_is_rearranged_by_keyboard_and_published(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.OPERATOR)
    page.goto("/quotas/")
    page.get_by_role("link", name="Edit the curve default").click()
    editor = page.locator("#editor-body")
    handle = editor.get_by_role("button", name="Move sonnet at level 1:")
    expect(handle).to_be_visible()
    handle.focus()
    page.keyboard.press("ArrowUp")
    accessible(page)
    editor.get_by_role("button", name="Preview", exact=True).last.click()
    expect(editor.locator("#preview ins")).to_be_visible()
    editor.get_by_label("Why", exact=True).first.fill("Sonnet first")
    editor.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("revision 2 is in force")).to_be_visible()
    assert part("curves", "default")["steps"][0]["allowed"][:2] == ["sonnet", "opus"]


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_editor_is_accessible_and_fits_a_phone(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None], theme: str
) -> None:
    page = sign_in(Group.ADMIN)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for address in (
        CODEX, "/table/providers/openai/edit", "/table/quotas/codex-cli/edit", "/table/curves/default/edit",
        "/table/task_types/meeting_summary/edit", "/table/credentials/openai:main/edit", "/table/credentials/openai:main/secret",
    ):  # fmt: skip
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"], address
        accessible(page)
