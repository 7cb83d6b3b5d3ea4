"""Questions in a browser: by keyboard and by pointer, kept and forgotten, and without scripts."""

import json

import pytest

from tests.book.built import PAGES, page
from tests.browser.site import STORAGE_FORBIDDEN, STORAGE_FULL, as_file, visit
from tests.conftest import weekly_but

pytestmark = pytest.mark.slow

ASKING = [name for name in PAGES if page(name).select("details.predict")]
QUESTION = "neighbours"  # on the page of exercise 1; its third choice is right


@pytest.fixture
def context(chromium):
    opened = chromium.new_context(viewport={"width": 1300, "height": 900})
    yield opened
    opened.close()


def box(opened):
    return opened.locator(f"fieldset#predict-{QUESTION}")


def answer(opened):
    return opened.locator(f"details.predict-answer[data-predict={QUESTION}]")


@pytest.mark.parametrize("name", weekly_but(("exercise-1", "museum"), ASKING))
def test_every_question_can_be_answered(context, name):
    with visit(context, as_file(name)) as opened:
        boxes = opened.page.locator("fieldset.predict-box").all()
        questions = page(name).select("details.predict")
        assert len(boxes) == len(questions)
        for shown, question in zip(boxes, questions, strict=True):
            assert shown.locator("legend").inner_text().strip()
            shown.locator("input").nth(int(question["data-right"]) - 1).check()
            shown.locator("button").click()
            assert "As you predicted." in shown.get_by_role("status").inner_text()
            folded = f"details.predict-answer[data-predict={question['data-predict']}]"
            stops = bool(question.select(".predict-answer"))
            assert opened.page.locator(f"{folded}[open]").count() == stops
        assert opened.complaints == []


def test_a_question_by_keyboard_alone(context):
    with visit(context, as_file("exercise-1")) as opened:
        table = answer(opened.page).locator("table")
        assert not table.is_visible()
        assert not box(opened.page).locator("button").is_enabled()
        box(opened.page).locator("input").first.focus()
        opened.page.keyboard.press("Space")
        opened.page.keyboard.press("ArrowDown")
        assert not table.is_visible()  # to move is not yet to choose
        opened.page.keyboard.press("Tab")
        opened.page.keyboard.press("Enter")
        assert table.is_visible()
        told = box(opened.page).get_by_role("status").inner_text()
        assert "A surprise." in told
        assert "Many hands stand still" in told
        assert "Right: Near 1 for the neighbours" in told
        assert "One step moves only the fastest hands" in told
        right = box(opened.page).locator(".predict-option").nth(2)
        assert right.evaluate("it => getComputedStyle(it, '::after').content") == '"✓ right"'


def test_answers_are_kept_and_the_first_counts(context):
    with visit(context, as_file("exercise-1")) as opened:
        for choice in (0, 2):
            box(opened.page).locator("input").nth(choice).check()
            box(opened.page).locator("button").click()
        told = box(opened.page).get_by_role("status").inner_text()
        assert "As you predicted." not in told
        assert "Your first guess was another one." in told
        opened.page.reload()
        assert box(opened.page).locator("input").nth(0).is_checked()
        assert answer(opened.page).locator("table").is_visible()
        opened.page.goto(as_file("takeaways"))
        item = opened.page.locator(f".predictions [data-predict={QUESTION}]")
        assert "surprised you" in item.inner_text()
        assert "You have answered 1 of" in opened.page.locator(".predictions-told").inner_text()
        shown = opened.page.locator(".predictions li:visible")
        assert shown.count() == 2  # its page, and the question
        item.locator("a").click()
        opened.page.wait_for_url("**/exercise-1.html*")
        opened.page.go_back()
        opened.page.get_by_role("button", name="Forget my answers").click()
        assert shown.count() == 0
        assert "Forgotten." in opened.page.locator(".predictions-told").inner_text()
        opened.page.goto(as_file("exercise-1"))
        assert not box(opened.page).locator("input").nth(0).is_checked()
        assert box(opened.page).is_visible()


def test_the_answer_opens_without_a_guess(context):
    with visit(context, as_file("exercise-1")) as opened:
        answer(opened.page).locator("summary").first.click()
        assert answer(opened.page).locator("table").is_visible()


def test_a_link_to_a_figure_behind_a_question_opens_it(context):
    with visit(context, as_file("exercise-1") + "#fig-heatmap") as opened:
        opened.page.locator("#fig-heatmap img").wait_for()


@pytest.mark.fault("storage is forbidden", "questions work without it")
@pytest.mark.parametrize("storage", [STORAGE_FORBIDDEN, STORAGE_FULL])
def test_nothing_breaks_where_storage_is_forbidden(context, storage):
    context.add_init_script(storage)
    with visit(context, as_file("exercise-1")) as opened:
        box(opened.page).locator("input").first.check()
        box(opened.page).locator("button").click()
        assert answer(opened.page).locator("table").is_visible()
        opened.page.goto(as_file("takeaways"))
        assert "answered none" in opened.page.locator(".predictions-told").inner_text()
        assert opened.complaints == []


@pytest.mark.fault(
    "the browser keeps something else under the name of the answers", "it is no answer"
)
@pytest.mark.parametrize(
    "stored",
    ["5", "[]", "[[1]]", '"text"', "{", *(f'{{"{QUESTION}": {it}}}' for it in ("5", "[]", "null"))],
)
def test_what_is_kept_and_is_no_answer_counts_for_nothing(context, site, stored):
    # Served: of a folder, each page is a process, which may see late what another one stores.
    kept = f"localStorage['condlesson-predictions'] = {json.dumps(stored)}"
    context.add_init_script(f"if (!sessionStorage.begun) {{ sessionStorage.begun = 1; {kept}; }}")
    with visit(context, f"{site}/exercise-1.html") as opened:
        box(opened.page).locator("input").nth(2).check()
        box(opened.page).locator("button").click()
        assert "As you predicted." in box(opened.page).get_by_role("status").inner_text()
        opened.page.goto(f"{site}/takeaways.html")
        assert "You have answered 1 of" in opened.page.locator(".predictions-told").inner_text()
        assert opened.complaints == []


@pytest.mark.parametrize("choice", [1.5, 0, 99, "1", -1])
def test_a_choice_that_a_question_has_not_leaves_it_open(context, choice):
    kept = json.dumps(json.dumps({QUESTION: {"choice": choice, "surprised": False}}))
    context.add_init_script(f"localStorage['condlesson-predictions'] = {kept}")
    with visit(context, as_file("exercise-1")) as opened:
        assert not box(opened.page).locator("button").is_enabled()
        count = len(page("exercise-1").select("details.predict"))
        assert opened.page.locator("fieldset.predict-box").count() == count
        assert opened.complaints == []


def test_without_scripts_nothing_is_lost(chromium):
    context = chromium.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(as_file("exercise-1"))
    question = opened.locator(f"details#predict-{QUESTION}")
    feedback = question.get_by_text("These are not random")
    assert not feedback.is_visible()
    question.locator("summary").first.click()
    assert feedback.is_visible()
    assert not question.locator("table").is_visible()
    question.locator(".predict-answer > summary").click()
    assert question.locator("table").is_visible()
    context.close()


def test_all_questions_are_listed_in_order():
    listed = [
        item["data-predict"] for item in page("takeaways").select(".predictions li[data-predict]")
    ]
    asked = [
        question["data-predict"]
        for name in PAGES
        for question in page(name).select("details.predict")
    ]
    assert listed == asked
    assert len(listed) > 25
    for item in page("takeaways").select(".predictions li a"):
        name, _, target = item["href"].partition("#")
        assert page(name.removesuffix(".html")).select(f"[id={target}]")


def test_about_fifteen_questions_stop_their_reader_and_hide_few_figures():
    questions = [q for name in ASKING for q in page(name).select("details.predict")]
    folded = [q.select_one(".predict-answer") for q in questions if q.select(".predict-answer")]
    assert 12 <= len(folded) <= 18
    assert all(answer.select(".cell_output") for answer in folded)
    assert [image["alt"] for answer in folded for image in answer.select("figure img")] == []


def test_each_choice_has_a_reply():
    for name in ASKING:
        for question in page(name).select("details.predict"):
            choices = question.select(".predict-choices > li")
            assert len(choices) >= 2
            assert 1 <= int(question["data-right"]) <= len(choices)
            assert all(choice.select_one(".predict-feedback").get_text(strip=True)
                       for choice in choices)  # fmt: skip
