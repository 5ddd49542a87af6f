"""The explorer as people use it: a real server, a real Chromium, the hand-made store.

The tests share one server and one browser; every test has its own page. Screenshots are saved in tests/screenshots.
"""

import contextlib
import csv
import re
from urllib.parse import quote

import numpy as np
import pytest

from tests import browser, explorer_fixture

playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need the package playwright")
expect = playwright.expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def address(tmp_path_factory, chromium):
    folder = tmp_path_factory.mktemp("browser")
    explorer_fixture.write(folder / "store")
    with browser.explorer(folder / "store", folder / "streamlit.log") as server:
        yield server


@pytest.fixture(scope="module")
def window(chromium, address):
    """One browser window for all tests, so that Streamlit's own scripts are loaded once."""
    with chromium.new_context(viewport={"width": 1440, "height": 1100}, base_url=address) as context:
        yield context


@pytest.fixture
def page(window, address):
    """A page that fails the test after script errors or requests to other hosts."""
    page = window.new_page()
    page.set_default_timeout(60_000)
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda r: trouble.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    yield page
    page.close()
    assert not trouble


def open_page(page, path):
    page.goto(path)
    browser.settled(page)


def options(page, label):
    """Open a select box and return its options; try again if scrolling closed the list."""
    box = page.get_by_label(label)
    box.scroll_into_view_if_needed()
    browser.settled(page)
    shown = page.get_by_role("option")
    for _ in range(3):
        box.click()
        with contextlib.suppress(playwright.TimeoutError):
            shown.first.wait_for(timeout=5_000)
            return shown
    raise AssertionError(f"{label!r} shows no options")


def heading(page):
    """The name of the product, or what else the page is about."""
    return about(page).inner_text()


def about(page):
    return page.locator('[data-testid="stHeading"]').locator("h2, h3").first


def hits(page, query, label="Search products"):
    """Type into a search box and return the open list once it answers this query."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.press_sequentially(query)
    page.get_by_role("status").filter(has_text=f"“{query}”").wait_for()
    return page.get_by_role("option")


def rows(page, number=0):
    """The rows of one of the lists on the page Neighbours."""
    return page.locator("ol").nth(number).locator("li")


def test_search_open_walk_on_and_come_back(page):
    open_page(page, "/")
    assert page.title() == "Neighbours · alsobought"
    expect(hits(page, "wireless")).to_have_count(0)
    page.get_by_role("combobox", name="Search products").fill("")
    expect(hits(page, "gad get 007")).to_have_text([re.compile("Gadget 007")])
    browser.screenshot(page, "search")
    page.get_by_role("option").click()
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    browser.settled(page)
    assert heading(page) == "Gadget 007" and page.get_by_role("option").count() == 0
    browser.screenshot(page, "neighbours")

    name = rows(page).nth(1).get_by_role("link").inner_text()
    rows(page).nth(1).get_by_role("link").click()
    expect(about(page)).to_have_text(name)
    page.go_back()
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    expect(about(page)).to_have_text("Gadget 007")


def test_the_search_box_with_the_keyboard(page):
    open_page(page, f"/?product={explorer_fixture.SCRIPT}")
    box = page.get_by_role("combobox", name="Search products")
    box.focus()
    box.press_sequentially("gadget 007")
    box.press("Enter")  # before the answer is there: it takes the first hit as soon as it is
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    expect(about(page)).to_have_text("Gadget 007")
    offered = hits(page, "gadget").all_inner_texts()
    selected = page.get_by_role("option", selected=True)
    expect(selected).to_have_text(re.compile(re.escape(offered[0].split("\n")[0])))
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("ArrowUp")
    second = offered[1].split("\n")[0]
    expect(selected).to_have_text(re.compile(re.escape(second)))
    box.press("Enter")
    expect(about(page)).to_have_text(second)
    hits(page, "gadget")
    box.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)


@pytest.mark.parametrize(("width", "height", "visible"), [(1280, 720, 5), (390, 844, 1)])
def test_rows_that_are_visible_without_scrolling(page, width, height, visible):
    page.set_viewport_size({"width": width, "height": height})
    open_page(page, f"/?product={explorer_fixture.WARM}&pairs=all")
    box = rows(page).nth(visible - 1).bounding_box()
    assert box["y"] + box["height"] <= height
    for column in rows(page).first.locator("span, a, button").all():  # no column is cut
        assert column.evaluate("e => e.scrollWidth <= e.clientWidth || getComputedStyle(e).display === 'inline'")


def listed(model, product=explorer_fixture.WARM, scoring="center_context"):
    """Ids in a model's list of the fixture, best first."""
    parts = explorer_fixture.split(explorer_fixture.pairs())
    seen = np.isin(np.arange(explorer_fixture.N), np.r_[parts.train.source, parts.train.target])
    number = list(explorer_fixture.MODELS).index(model)
    rows = explorer_fixture.neighbours(explorer_fixture.MODELS[model], seen, seed=number).table.to_pylist()
    return [r["neighbour"] for r in rows if r["product"] == product and r["scoring"] == scoring]


def test_the_trail_leads_back(page):
    ids = listed("skipgram")
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram&pairs=all")
    rows(page).nth(1).get_by_role("link").click()
    page.wait_for_url(f"**product={ids[1]}**")
    crumb = page.get_by_role("button", name="Gadget 007")
    expect(crumb).to_be_visible()
    browser.settled(page)
    browser.screenshot(page, "trail")
    crumb.click()
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    expect(about(page)).to_have_text("Gadget 007")
    expect(crumb).to_have_count(0)


def test_back_to_the_product_that_nobody_chose(page):
    open_page(page, "/")
    page.wait_for_function("location.search.includes('product=') && location.search.includes('category=alpha')")
    first, name = page.url, heading(page)
    rows(page).nth(2).get_by_role("link").click()
    page.wait_for_url(lambda url: url != first)
    expect(about(page)).not_to_have_text(name)
    page.go_back()
    page.wait_for_url(first)
    expect(about(page)).to_have_text(name)


def test_why_opens_and_closes(page):
    ids = listed("skipgram")
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram&pairs=all")
    rows(page).nth(2).get_by_role("button", name="Why").click()
    page.wait_for_url(f"**why={ids[2]}**")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Next to Gadget 007")
    browser.settled(page)
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
    assert page.locator("h3").all_inner_texts() == ["popularity", "skipgram"]
    assert page.get_by_text("This model only answers Goes with.").count() == 1
    assert page.locator("ol").get_attribute("aria-label") == "Similar to: skipgram"
    assert "view=substitutes" in page.url and "models=popularity" in page.url
    browser.screenshot(page, "side-by-side")


def test_a_basket_is_filled_shared_and_emptied(page):
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram&models=gensim_word2vec")
    page.get_by_role("button", name="Add to basket").click()
    page.wait_for_url(f"**basket={explorer_fixture.WARM}**")
    expect(page.get_by_role("button", name="Take out of the basket")).to_be_visible()
    hits(page, "gadget 009").click()
    page.wait_for_url("**product=B000000009**")
    page.get_by_role("button", name="Add to basket").click()
    page.wait_for_url("**basket=B000000009**")
    page.get_by_test_id("stButtonGroup").get_by_text("basket", exact=True).click()
    page.wait_for_url("**of=basket**")
    browser.settled(page)
    expect(page.get_by_text("Basket (2)")).to_be_visible()
    browser.screenshot(page, "basket")

    page.goto(page.url)
    browser.settled(page)
    expect(page.get_by_text("Basket (2)")).to_be_visible()
    expect(page.locator("ol")).to_have_count(2)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "neighbours-alpha-basket.csv"

    for name in ("Gadget 007", "Gadget 009"):
        page.get_by_role("button", name=re.compile(f"^Remove {name}")).click()
        expect(page.get_by_role("button", name=re.compile(f"^Remove {name}"))).to_have_count(0)
        browser.settled(page)
    expect(page.get_by_text("Basket (")).to_have_count(0)
    assert "basket=" not in page.url


@pytest.mark.parametrize("milliseconds", [0, 40])
def test_a_click_before_the_page_is_drawn_anew_leaves_what_was_added_in_the_basket(page, milliseconds):
    """The browser still shows the previous basket then, and sends it together with the click."""
    script = """const push = history.pushState.bind(history);
        history.pushState = (...entry) => {
            if (!window.clicked && String(entry[2]).includes("basket=B000000009")) {
                window.clicked = true;
                const choices = [...document.querySelectorAll('[data-testid="stButtonGroup"] button')];
                setTimeout(() => choices.find(choice => choice.innerText.trim() === "basket").click(), MILLISECONDS);
            }
            return push(...entry);
        }"""
    page.add_init_script(script.replace("MILLISECONDS", str(milliseconds)))
    open_page(page, f"/?basket={explorer_fixture.WARM}&product=B000000009&models=skipgram")
    expect(page.get_by_text("Basket (1)")).to_be_visible()
    page.get_by_role("button", name="Add to basket").click()
    page.wait_for_url("**of=basket**")
    expect(page.get_by_text("Basket (2)")).to_be_visible()
    browser.settled(page)
    assert f"basket={explorer_fixture.WARM}&basket=B000000009" in page.url
    expect(page.get_by_text("Basket (2)")).to_be_visible()


def test_the_download_is_the_list_and_runs_nothing(page, tmp_path):
    partner = next(i for i in explorer_fixture.products()["product_id"].to_pylist() if lists_the_formula(i))
    open_page(page, f"/?product={partner}&models=popularity&models=skipgram&pairs=all")
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
    """Whether the formula is among a product's first ten neighbours."""
    return explorer_fixture.FORMULA in listed("skipgram", product)[:10]


def test_the_keyboard_reaches_everything(page):
    open_page(page, f"/?product={explorer_fixture.WARM}&models=skipgram")
    page.get_by_role("combobox", name="Search products").focus()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    for what in ("Facts", "Add to basket", "Models", "Similar to", "New only", "20", "Gadget", "Why", "Download CSV"):
        assert any(what in name for name in reached), (what, reached)

    rows(page).nth(1).get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**why=**")
    expect(page.get_by_role("dialog")).to_contain_text("Next to Gadget 007")


FOCUSED = """() => {
  let e = document.activeElement;
  while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  return [e.getAttribute("aria-label"), e.innerText, ...[...(e.labels ?? [])].map(l => l.innerText)].join(" ");
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_neighbours_on_a_phone_in_both_appearances(page, scheme):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    open_page(page, f"/?product={explorer_fixture.WARM}")
    expect(page.get_by_role("button", name="Download CSV")).to_be_attached()
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
    assert (brightness(page) > 600) == (scheme == "light")
    browser.screenshot(page, f"neighbours-phone-{scheme}")


def brightness(page):
    """Sum of the background's red, green and blue."""
    colour = page.locator('[data-testid="stApp"]').evaluate("e => getComputedStyle(e).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_a_picture_is_asked_for_only_after_permission(window):
    page = window.new_page()  # it does ask another host
    asked = []
    page.route(explorer_fixture.PICTURE, lambda route: (asked.append(route.request.url), route.abort()))
    open_page(page, f"/?product={explorer_fixture.PICTURED}")
    assert not asked
    page.get_by_text("Product images").click()
    page.get_by_role("img", name="Picture of Gadget 005").wait_for(state="attached")
    browser.settled(page)
    assert asked
    page.close()


def test_hostile_text_is_only_text(page):
    open_page(page, f"/?product={explorer_fixture.SCRIPT}")
    shown = heading(page).replace("\u2060", "")
    assert shown == explorer_fixture.HOSTILE_TITLE
    assert page.evaluate("window.hacked") is None
    inside = about(page)
    assert inside.locator("b, strong, img, a, script, .katex").count() == 0
    browser.screenshot(page, "hostile")

    # The same title as a crumb, in the basket and as the answer to "why".
    rows(page).first.get_by_role("link").click()
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


def test_an_order_is_chosen_shared_and_left_by_the_back_button(page):
    open_page(page, "/baskets")
    page.wait_for_url("**order=o6**")
    options(page, "The latest of 3 orders").filter(has_text="o4").click()
    page.wait_for_url("**order=o4**")
    expect(page.locator("h2").first).to_have_text("Order o4")
    options(page, "Given product").filter(has_text="Gadget 011").click()
    page.wait_for_url("**given=B000000011**")
    browser.settled(page)
    browser.screenshot(page, "baskets")
    page.goto(page.url)
    browser.settled(page)
    expect(page.locator("h2").first).to_have_text("Order o4")
    expect(page.get_by_label("Given product")).to_have_value(re.compile("Gadget 011"))
    page.get_by_role("radio", name="rest of the basket").or_(
        page.get_by_role("button", name="rest of the basket")
    ).click()
    page.wait_for_url("**question=rest**")
    expect(page.get_by_label("Missing product")).to_have_value(re.compile("Gadget 007"))
    open_page(page, "/baskets?order=o6")
    options(page, "The latest of 3 orders").filter(has_text="s7").click()
    page.wait_for_url("**order=s7**")
    expect(page.locator("h2").first).to_have_text("Session s7")
    browser.settled(page)
    page.go_back()
    page.wait_for_url("**order=o6**")
    expect(page.locator("h2").first).to_have_text("Order o6")


def test_a_customer_is_chosen_and_left_by_the_back_button(page):
    open_page(page, "/customers")
    page.wait_for_url("**customer=anna**")
    options(page, "The most active of 3 customers").filter(has_text="<b>c</b>").click()
    page.wait_for_url("**customer=%3Cb%3E**")
    expect(page.locator("h2").first).to_have_text(re.compile("Customer .*<b>c"))
    assert page.locator("h2 b").count() == 0
    browser.settled(page)
    page.go_back()
    page.wait_for_url("**customer=anna**")
    expect(page.locator("h2").first).to_have_text("Customer anna")
    browser.screenshot(page, "customers")


def test_what_the_shop_shows_of_a_product_and_another_kind_of_list(page):
    open_page(page, f"/?product={explorer_fixture.WARM}")
    page.get_by_role("link", name="What the shop shows").click()
    page.wait_for_url(f"**/lists?**product={explorer_fixture.WARM}**")
    browser.settled(page)
    assert heading(page) == "Gadget 007"
    page.get_by_role("radio", name="similar").or_(page.get_by_role("button", name="similar")).click()
    page.wait_for_url("**list=similar**")
    expect(page.get_by_text("What a customer might choose instead")).to_be_visible()


def drawn(page, count):
    """All charts of a page, after each of them has drawn; a chart that failed draws nothing."""
    charts = page.locator(
        '[data-testid="stVegaLiteChart"]:visible'
    )  # a closed expander holds a chart that is not visible
    charts.nth(count - 1).wait_for()
    for i in range(count):
        charts.nth(i).locator("canvas, svg").first.wait_for()
    return charts


def test_evaluation_opens_with_the_verdict_and_draws_its_sections(page):
    open_page(page, "/evaluation?protocol=ranking")
    expect(page.get_by_text("is best:")).to_be_visible()
    assert drawn(page, 1).count() == 1
    browser.screenshot(page, "evaluation")
    page.get_by_role("radio", name="Equally popular pairs").or_(
        page.get_by_role("button", name="Equally popular pairs")
    ).click()
    page.wait_for_url("**protocol=degree_matched**")
    browser.settled(page)
    page.get_by_role("radio", name="Known products").or_(page.get_by_role("button", name="Known products")).click()
    page.wait_for_url("**subset=seen**")
    for section, charts in (("Curves", 4), ("Learning", 2), ("Cost", 1), ("Categories", 1)):
        page.get_by_role("tab", name=section).click()
        page.wait_for_url(f"**section={section}**")
        browser.settled(page)
        assert drawn(page, charts).count() == charts
        browser.screenshot(page, f"evaluation-{section.lower()}")


def test_a_protocol_and_a_section_in_the_address(page):
    open_page(page, "/evaluation?protocol=published&section=Curves")
    expect(page.get_by_text("only for a comparison with the article").first).to_be_visible()
    drawn(page, 4)


def test_mouse_on_the_map_names_a_product_and_opens_it(page, tmp_path_factory):
    open_page(page, "/map")
    canvas = page.locator('[data-testid="stDeckGlJsonChart"] canvas').last
    canvas.wait_for()
    page.wait_for_timeout(1500)  # the software renderer draws its first frame
    store = explorer_fixture.write(tmp_path_factory.mktemp("same"))
    projection = store.read("projection/skipgram", "alpha")
    ids = explorer_fixture.products()["product_id"].to_pylist()
    box = canvas.bounding_box()

    def position_of(product):
        x, y = (projection.position[projection.nodes.tolist().index(ids.index(product))] * _MAP_PIXELS).tolist()
        return box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 - y

    # Names are shown literally, whatever they look like.
    page.mouse.move(*position_of(explorer_fixture.SCRIPT))
    tooltip = page.locator(".deck-tooltip")
    expect(tooltip).to_contain_text("<script>window.hacked=1</script><b>bold</b>")
    assert tooltip.locator("b, script, img").count() == 0 and page.evaluate("window.hacked") is None

    page.mouse.click(*position_of(explorer_fixture.WARM))
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")
    browser.settled(page)
    link = page.get_by_test_id("stPageLink-NavLink").first
    expect(link).to_contain_text("Open in Neighbours")
    page.wait_for_timeout(1000)
    browser.screenshot(page, "map")

    link.click()
    expect(page.get_by_test_id("stHeading").first).to_contain_text("Neighbours")
    assert f"product={explorer_fixture.WARM}" in page.url


_MAP_PIXELS = 400 * 2**-0.75
"""Pixels from the centre of the map to position 1: a scene of 400 units, seen at zoom -0.75."""


def test_the_map_without_a_mouse(page):
    open_page(page, "/map")
    hits(page, "gadget 007")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**product={explorer_fixture.WARM}**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_both_appearances(page, scheme):
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.emulate_media(color_scheme=scheme)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for path in ("", "evaluation", "freshness", "data", "map", "baskets", "customers", "lists"):
        open_page(page, f"/{path}")
        assert (brightness(page) > 600) == (scheme == "light")
        violations = axe.run(page).response["violations"]
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in violations] == [], path
        page.wait_for_timeout(1000)
        browser.screenshot(page, f"{path or 'neighbours'}-{scheme}")


def test_freshness_shows_the_command_and_leads_to_dagster(page):
    open_page(page, "/freshness")
    expect(page.get_by_test_id("stCode").first).to_contain_text("make materialize CATEGORY=alpha")
    link = page.get_by_role("link", name="The asset in Dagster")
    assert link.get_attribute("href").startswith("http://localhost:3000/assets/raw_products?")


def test_on_a_phone_nothing_is_wider_than_the_screen(chromium, address):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, base_url=address, has_touch=True)
    page = context.new_page()
    for path in ("", "evaluation", "map", "data", "freshness", "baskets", "customers", "lists"):
        open_page(page, f"/{path}")
        page.wait_for_timeout(300)
        assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth") <= 1, path
        browser.screenshot(page, f"phone-{path or 'neighbours'}")
    context.close()
