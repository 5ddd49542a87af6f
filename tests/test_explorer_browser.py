"""The explorer as a person meets it: a real server, a real Chromium, the hand-made store.

One server and one browser for the file; each test has a page of its own. Screenshots land in tests/screenshots.
"""

import csv
import re
from urllib.parse import quote

import numpy as np
import pytest

from tests import browser, explorer_fixture

expect = pytest.importorskip("playwright.sync_api", reason="browser tests need the package playwright").expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def address(tmp_path_factory, chromium):
    folder = tmp_path_factory.mktemp("browser")
    explorer_fixture.write(folder / "store")
    with browser.explorer(folder / "store", folder / "streamlit.log") as found:
        yield found


@pytest.fixture
def page(chromium, address):
    """A page that remembers what went wrong on it: script errors and requests to other hosts."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1100}, base_url=address)
    page = context.new_page()
    page.set_default_timeout(20_000)
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda r: trouble.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    yield page
    context.close()
    assert not trouble


def open_page(page, path):
    page.goto(path)
    browser.settled(page)


def options(page, label):
    """Open a select box and return its options. A list that is open closes when the page scrolls: scroll first."""
    box = page.get_by_label(label)
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box.click()
    shown = page.get_by_role("option")
    shown.first.wait_for()
    return shown


def heading(page):
    return page.locator('[data-testid="stHeading"] h3').first.inner_text()


def test_search_open_walk_on_and_come_back(page):
    open_page(page, "/")
    page.get_by_label("Search by title, brand or id").fill("wireless")
    expect(page.get_by_text("0 products found")).to_be_visible()
    page.get_by_label("Search by title, brand or id").fill("gadget 007")
    expect(page.get_by_text("1 product found")).to_be_visible()
    options(page, "1 product found").first.click()
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    browser.settled(page)
    assert heading(page) == "Gadget 007"
    browser.screenshot(page, "neighbours")

    option = options(page, "Walk on to a neighbour").nth(1)
    name = option.inner_text().split(" · ")[-2]
    option.click()
    page.wait_for_url(f"**product={name}**")
    browser.settled(page)
    expect(page.get_by_text(name, exact=True).first).to_be_visible()

    page.go_back()
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    browser.settled(page)
    expect(page.locator('[data-testid="stHeading"] h3').first).to_have_text("Gadget 007")


def grid(page, number=0):
    """Left upper corner of a list. Lists are drawn on a canvas, so cells are found by their place."""
    page.wait_for_timeout(500)
    found = page.locator('[data-testid="stDataFrame"] canvas').nth(2 * number)
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    return box["x"], box["y"]


PRODUCT, WHY, SCORE = 120, 320, 380
"""Places of columns in a single list, in pixels from its left."""


def row(number):
    """Middle of a row, in pixels from the top of a list."""
    return 35 * number + 17


def listed(model, product=explorer_fixture.WARM, scoring="center_context"):
    """Ids in the fixture's list of a model, best first."""
    parts = explorer_fixture.split(explorer_fixture.pairs())
    seen = np.isin(np.arange(explorer_fixture.N), np.r_[parts.train_source, parts.train_target])
    number = list(explorer_fixture.MODELS).index(model)
    rows = explorer_fixture.neighbours(explorer_fixture.MODELS[model], seen, seed=number).table.to_pylist()
    return [r["neighbour"] for r in rows if r["product"] == product and r["scoring"] == scoring]


def test_a_click_on_a_name_walks_on_also_in_a_sorted_list(page):
    ids = listed("skipgram")
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram")
    x, y = grid(page)
    page.mouse.click(x + PRODUCT, y + row(2))
    page.wait_for_url(f"**product={ids[1]}**")
    browser.settled(page)
    assert heading(page) != "Gadget 007"

    crumb = page.get_by_role("button", name="Gadget 007")
    expect(crumb).to_be_visible()
    browser.screenshot(page, "trail")
    crumb.click()
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    browser.settled(page)
    assert heading(page) == "Gadget 007" and crumb.count() == 0

    x, y = grid(page)
    page.mouse.click(x + SCORE, y + row(0))  # sorts by score, the smallest first
    page.wait_for_timeout(500)
    page.mouse.click(x + PRODUCT, y + row(1))
    page.wait_for_url(f"**product={ids[9]}**")


def test_back_to_the_product_that_nobody_chose(page):
    open_page(page, "/")
    page.wait_for_function("location.search.includes('product=') && location.search.includes('category=alpha')")
    first, name = page.url, heading(page)
    options(page, "Walk on to a neighbour").nth(2).click()
    page.wait_for_url(lambda url: url != first)
    browser.settled(page)
    assert heading(page) != name
    page.go_back()
    page.wait_for_url(first)
    expect(page.locator('[data-testid="stHeading"] h3').first).to_have_text(name)


def test_why_opens_and_closes(page):
    ids = listed("skipgram")
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram")
    x, y = grid(page)
    page.mouse.click(x + WHY, y + row(3))
    page.wait_for_url(f"**why={ids[2]}**")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("beside Gadget 007")
    page.wait_for_timeout(500)
    browser.screenshot(page, "why")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_function("!location.search.includes('why=')")
    assert heading(page) == "Gadget 007"

    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram&why={ids[2]}")
    dialog.get_by_role("button", name="Open this product").click()
    page.wait_for_url(f"**product={ids[2]}**")
    expect(dialog).to_have_count(0)


def test_a_deep_link_opens_product_models_and_view(page):
    open_page(
        page, f"/?category=alpha&product={explorer_fixture.WARM}&models=popularity&models=skipgram&view=substitutes"
    )
    assert heading(page) == "Gadget 007"
    shown = page.locator("h5").all_inner_texts()
    assert shown == ["popularity", "skipgram"]
    assert page.get_by_text("center_center").count() == 1
    assert "view=substitutes" in page.url and "models=popularity" in page.url
    browser.screenshot(page, "side-by-side")


def test_a_basket_is_filled_shared_and_emptied(page):
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram&models=gensim_word2vec")
    page.get_by_role("button", name="Add to basket").click()
    page.wait_for_url(f"**basket={explorer_fixture.WARM}**")
    expect(page.get_by_role("button", name="Take out of the basket")).to_be_visible()
    page.get_by_label("Search by title, brand or id").fill("gadget 009")
    expect(page.get_by_text("1 product found")).to_be_visible()
    options(page, "1 product found").first.click()
    page.wait_for_url("**product=B000000009**")
    page.get_by_role("button", name="Add to basket").click()
    page.wait_for_url("**basket=B000000009**")
    page.get_by_test_id("stButtonGroup").first.get_by_text("basket", exact=True).click()
    page.wait_for_url("**of=basket**")
    browser.settled(page)
    expect(page.get_by_text("Basket (2)")).to_be_visible()
    browser.screenshot(page, "basket")

    page.goto(page.url)
    browser.settled(page)
    expect(page.get_by_text("Basket (2)")).to_be_visible()
    assert page.locator('[data-testid="stDataFrame"]').count() == 2
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "neighbours-alpha-basket.csv"

    for name in ("Gadget 007", "Gadget 009"):
        page.get_by_role("button", name=re.compile(f"^Remove {name}")).click()
        browser.settled(page)
    expect(page.get_by_text("Basket (")).to_have_count(0)
    assert "basket=" not in page.url


def test_the_download_is_the_list_and_runs_nothing(page, tmp_path):
    partner = next(i for i in explorer_fixture.products()["product_id"].to_pylist() if lists_the_formula(i))
    open_page(page, f"/?product={partner}&models=popularity&models=skipgram")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == f"neighbours-alpha-{partner}.csv"
    waiting.value.save_as(tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "category", "product", "model", "scoring", "rank", "score", "neighbour", "title", "brand", "price",
        "categories", "pair", "in_training", "lists",
    ]  # fmt: skip
    assert {row["category"] for row in rows} == {"alpha"}
    assert [row["rank"] for row in rows] == [str(i) for i in (*range(1, 11), *range(1, 11))]
    assert {row["model"] for row in rows} == {"popularity", "skipgram"}
    assert {row["product"] for row in rows} == {partner}
    (title, *_) = (row["title"] for row in rows if row["neighbour"] == explorer_fixture.FORMULA)
    assert title == "'" + explorer_fixture.TITLES[explorer_fixture.FORMULA]


def lists_the_formula(product):
    """Whether the formula stands among a product's first ten neighbours."""
    return explorer_fixture.FORMULA in listed("skipgram", product)[:10]


def test_the_keyboard_reaches_everything(page):
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram")
    page.get_by_label("Search by title, brand or id").focus()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    for what in (
        "Add to basket", "Models", "this product", "substitutes", "20", "Walk on to a neighbour", "Why this one?",
        "Download CSV",
    ):  # fmt: skip
        assert any(what in name for name in reached), (what, reached)

    box = page.get_by_label("Why this one?")
    box.scroll_into_view_if_needed()
    box.focus()
    page.wait_for_timeout(500)  # focus scrolls, and scrolling closes a list
    page.keyboard.press("ArrowDown")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**why=**")
    expect(page.get_by_role("dialog")).to_contain_text("beside Gadget 007")


FOCUSED = """() => {
  const e = document.activeElement;
  return [e.getAttribute("aria-label"), e.innerText, ...[...(e.labels ?? [])].map(l => l.innerText)].join(" ");
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_neighbours_on_a_phone_in_both_appearances(chromium, address, scheme):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, base_url=address, color_scheme=scheme)
    page = context.new_page()
    open_page(page, f"/?product={explorer_fixture.WARM}")
    expect(page.get_by_role("button", name="Download CSV")).to_be_attached()
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
    assert (brightness(page) > 600) == (scheme == "light")
    browser.screenshot(page, f"neighbours-phone-{scheme}")
    context.close()


def brightness(page):
    """Sum of the background's red, green and blue."""
    colour = page.locator('[data-testid="stApp"]').evaluate("e => getComputedStyle(e).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_a_picture_is_asked_for_only_after_permission(chromium, address):
    context = chromium.new_context(viewport={"width": 1440, "height": 1100}, base_url=address)
    page = context.new_page()
    asked = []
    page.route(explorer_fixture.PICTURE, lambda route: (asked.append(route.request.url), route.abort()))
    open_page(page, f"/?product={explorer_fixture.PICTURED}")
    assert not asked
    page.get_by_text("Product images").click()
    page.get_by_role("img", name="Picture of Gadget 005").wait_for(state="attached")
    browser.settled(page)
    assert asked
    context.close()


def test_hostile_text_is_only_text(page):
    open_page(page, f"/?product={explorer_fixture.SCRIPT}")
    shown = heading(page).replace("\u2060", "")
    assert shown == explorer_fixture.HOSTILE_TITLE
    assert page.evaluate("window.hacked") is None
    inside = page.locator('[data-testid="stHeading"] h3').first
    assert inside.locator("b, strong, img, a, script, .katex").count() == 0
    browser.screenshot(page, "hostile")

    # The same title as a crumb, in the basket and as the answer to "why".
    options(page, "Walk on to a neighbour").first.click()
    page.get_by_role("button", name="Add to basket").wait_for()
    crumb = page.get_by_test_id("stBaseButton-tertiary").first
    expect(crumb).to_contain_text("<script>window")
    open_page(page, f"/?product={explorer_fixture.WARM}&basket={explorer_fixture.SCRIPT}&why={explorer_fixture.SCRIPT}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("<script>window")
    expect(page.get_by_test_id("stMultiSelect").first).to_contain_text("<script>window")
    assert page.evaluate("window.hacked") is None
    assert dialog.locator("b, em, img, script, .katex").count() == 0
    browser.screenshot(page, "hostile-why")

    open_page(page, "/?product=" + quote("<img src=x onerror=window.hacked=2>"))
    assert page.get_by_text("There is no product").count() == 1
    assert page.evaluate("window.hacked") is None
    for product in (explorer_fixture.LONG, explorer_fixture.ARABIC):
        open_page(page, f"/?product={product}")
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0
    browser.screenshot(page, "arabic")


def test_evaluation_draws_its_charts(page):
    open_page(page, "/evaluation")
    charts = page.locator('[data-testid="stVegaLiteChart"]')
    charts.nth(6).wait_for()
    assert charts.count() == 7
    page.wait_for_timeout(500)
    for i in range(7):
        # A chart that failed shows no drawing.
        assert charts.nth(i).locator("canvas, svg").count() >= 1
    browser.screenshot(page, "evaluation")
    page.get_by_role("radio", name="degree_matched").or_(page.get_by_role("button", name="degree_matched")).click()
    page.wait_for_url("**protocol=degree_matched**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_data_page_in_both_appearances(chromium, address, scheme):
    context = chromium.new_context(viewport={"width": 1440, "height": 1100}, base_url=address, color_scheme=scheme)
    page = context.new_page()
    open_page(page, "/data")
    expect(page.get_by_test_id("stCode")).to_contain_text("make materialize CATEGORY=alpha")
    assert (brightness(page) > 600) == (scheme == "light")
    browser.screenshot(page, f"data-{scheme}")
    context.close()
