"""The explorer as a person meets it: a real server, a real Chromium, the hand-made store.

One server and one browser for the file; each test has a page of its own. Screenshots land in tests/screenshots.
"""

import csv
import re
from urllib.parse import quote

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


def test_a_click_on_a_row_walks_on(page):
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram")
    # The grid is a canvas; the cell that selects the first row lies left of it, below the header.
    box = page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
    page.mouse.click(box["x"] + 15, box["y"] + 52)
    page.wait_for_function(f"!location.search.includes('product={explorer_fixture.WARM}')")
    browser.settled(page)
    assert heading(page) != "Gadget 007"


def test_a_deep_link_opens_product_models_and_view(page):
    open_page(page, f"/?category=alpha&product={explorer_fixture.WARM}&models=popularity&models=skipgram&view=is+like")
    assert heading(page) == "Gadget 007"
    shown = page.locator("h5").all_inner_texts()
    assert shown == ["popularity", "skipgram"]
    assert page.get_by_text("center_center").count() == 1
    assert "view=is" in page.url and "models=popularity" in page.url


def test_the_download_is_the_list(page, tmp_path):
    open_page(page, f"/?product={explorer_fixture.WARM}&models=popularity&models=skipgram")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == f"neighbours-alpha-{explorer_fixture.WARM}.csv"
    waiting.value.save_as(tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == [str(i) for i in (*range(1, 11), *range(1, 11))]
    assert {row["model"] for row in rows} == {"popularity", "skipgram"}
    assert {row["product"] for row in rows} == {explorer_fixture.WARM}


def test_hostile_text_is_only_text(page):
    open_page(page, f"/?product={explorer_fixture.SCRIPT}")
    shown = heading(page).replace("\u2060", "")
    assert shown == explorer_fixture.HOSTILE_TITLE
    assert page.evaluate("window.hacked") is None
    inside = page.locator('[data-testid="stHeading"] h3').first
    assert inside.locator("b, strong, img, a, script, .katex").count() == 0
    browser.screenshot(page, "hostile")

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
    colour = page.locator('[data-testid="stApp"]').evaluate("e => getComputedStyle(e).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
    assert (brightness > 600) == (scheme == "light")
    browser.screenshot(page, f"data-{scheme}")
    context.close()
