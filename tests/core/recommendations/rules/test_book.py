"""Rules in categories.yaml: what they mean, and one sentence with its place for each mistake."""

import pytest

from core.categories import load_categories
from core.errors import InputError
from core.recommendations.rules.book import RuleBook, Rules, parse_rules, parse_values, rules_from

HEAD = "categories:\n  shoes:\n    source: shoes.csv\n"


def loaded(tmp_path, text):
    path = tmp_path / "categories.yaml"
    path.write_text(HEAD + text)
    return load_categories(path)


def test_rules_of_a_slot_stand_above_those_of_all(tmp_path):
    categories = loaded(
        tmp_path,
        "    stock: stock.csv\n"
        "    pins: https://shop.example/pins.csv\n"
        "    rules:\n"
        "      all: {max_per_brand: 3, price_from: 1, forbid_brands: Acme}\n"
        "      similar: {brand: same, max_per_brand: null, price_from: 0.5}\n"
        "      goes_with:\n",
    )
    shoes = categories["shoes"]
    assert (shoes.stock, shoes.pins) == ("stock.csv", "https://shop.example/pins.csv")
    assert shoes.rules.of("goes_with") == Rules(max_per_brand=3, price_from=1.0, forbid_brands=("Acme",))
    similar = Rules(max_per_brand=3, price_from=0.5, forbid_brands=("Acme",), brand="same")
    assert shoes.rules.of("similar") == similar
    common = {"max_per_brand": 3, "price_from": 1.0, "forbid_brands": ["Acme"]}
    assert shoes.rules.as_dict() == {
        "goes_with": common, "similar": common | {"price_from": 0.5, "brand": "same"}, "bought_together": common,
    }  # fmt: skip
    assert RuleBook().as_dict() == {} and loaded(tmp_path, "    rules:\n")["shoes"].rules == RuleBook()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rules: [a]", "rules: expected slot -> rule -> value"),
        ("rules: {brand: same}", "rules: there is no slot 'brand'; the slots are all, goes_with, similar, "
         "bought_together; write rules that hold in every slot under `all`"),
        ("rules: {upsell: {brand: same}}", "rules: there is no slot 'upsell'; the slots are"),
        ("rules: {all: same}", "rules.all: expected rule -> value"),
        ("rules: {all: {max_per_brnd: 1}}", "rules.all: there is no rule 'max_per_brnd'; did you mean 'max_per_brand'"),
        ("rules: {all: {zzz: 1}}", "rules.all: there is no rule 'zzz'; the rules are sold_out,"),
        ("rules: {similar: {brand: never}}", "rules.similar.brand: 'never' is not one of any, same, other"),
        ("rules: {all: {price_from: cheap}}", "rules.all.price_from: 'cheap' is not a float"),
        ("rules: {all: {price_from: -1}}", "rules.all.price_from: -1.0 is below the smallest allowed value 0"),
        ("rules: {all: {price_to: .nan}}", "rules.all.price_to: nan is below the smallest"),
        ("rules: {all: {max_per_brand: 0}}", "rules.all.max_per_brand: 0 is below the smallest allowed value 1"),
        ("rules: {all: {max_per_brand: 1.5}}", "rules.all.max_per_brand: 1.5 is not a int"),
        ("rules: {all: {max_per_brand: true}}", "rules.all.max_per_brand: True is not a int"),
        ("rules: {all: {diversity: 2}}", "rules.all.diversity: 2.0 is above the largest allowed value 1"),
        ("rules: {all: {allow_brands: []}}", "rules.all.allow_brands: expected a name or a list of names, not []"),
        ("rules: {all: {allow_brands: [1]}}", "rules.all.allow_brands: 1 is not a name; put numbers and words"),
        ("rules: {all: {forbid_categories: {a: b}}}", "rules.all.forbid_categories: expected a name or a list"),
        ("rules: {all: {price_from: 2, price_to: 1}}", "rules.all.price_from: 2.0 is above price_to, 1.0"),
        ("rules: {all: {price_from: 2}, similar: {price_to: 1}}", "rules.similar.price_from: 2.0 is above price_to"),
        ("rules: {all: {allow_brands: [a], forbid_brands: ' A'}}", "rules.all.forbid_brands: ' A' is among "
         "allow_brands too"),
        ("stock: ''", "stock: is empty; name a file or a URL"),
        ("stock: {a: b}", "stock: the value is not a text but a dict"),
        ("pins: 'http://host:port/x'", "pins: is not a URL that can be read"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence_with_its_place(tmp_path, text, sentence):
    (tmp_path / "categories.yaml").write_text(HEAD + f"    {text}\n  other: {{source: sample}}\n")
    refused = load_categories(tmp_path / "categories.yaml").refused
    assert f"categories.yaml: categories.shoes.{sentence}" in refused["shoes"]


def test_a_request_may_narrow_the_rules():
    base = parse_rules("x", {"all": {"brand": "same", "price_to": 2}}).of("similar")
    narrowed = rules_from("query", parse_values("query", {"price_to": 1, "max_per_brand": 2}), base)
    assert narrowed == Rules(brand="same", price_to=1.0, max_per_brand=2)
    with pytest.raises(InputError, match=r"^query: there is no rule 'k'"):
        parse_values("query", {"k": 1})
