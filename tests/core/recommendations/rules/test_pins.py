"""Pins: what their rows mean, rows that cannot be used, and writing them back."""

import threading

import pyarrow as pa
import pytest

from core.errors import InputError
from core.recommendations.rules.pins import ALL, BLOCK, Pin, read_pins, resolve_pins, write_pins

IDS = pa.array(["100", "200", "300", "é"])


def pins(tmp_path, text):
    (tmp_path / "pins.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return resolve_pins(*read_pins(tmp_path / "pins.csv", "pins.csv"), IDS)


def test_rows_become_pins_by_slot_in_the_order_of_their_ranks(tmp_path):
    read = pins(
        tmp_path,
        "\ufeffproduct_id,neighbour,slot,action,rank\n"
        "100,200,similar,pin,\n"
        "100,300,similar,PIN,2\n"
        "100,é,,pin,1\n"
        "200,100,goes-with,block,\n"
        "300,100,all,block,7\n",
    )
    assert read.pinned["similar"] == {0: ((3, 1), (2, 2), (1, None))}
    assert read.pinned["goes_with"] == read.pinned["bought_together"] == {0: ((3, 1),)}
    assert read.blocked["goes_with"].tolist() == [1 * 4, 2 * 4] and read.blocked["similar"].tolist() == [2 * 4]
    assert (read.info["rows"], read.info["pinned"], read.info["blocked"]) == (5, 5, 4)
    assert read.info["remarks"] == []


def test_what_cannot_be_used_is_counted_and_named_with_its_line(tmp_path):
    read = pins(
        tmp_path,
        "product_id,neighbour,slot,action,rank\n"
        "100,nobody,similar,pin,\n"  # 2
        "100,100,similar,pin,\n"
        "100,200,similar,pinn,\n"  # 4
        "100,200,sidebar,pin,\n"
        "100,200,similar,pin,0\n"  # 6
        "100,,similar,pin,\n"
        "100,300,similar,pin,3\n"  # 8
        "100,300,similar,pin,1\n"
        "100,200,similar,pin,\n"  # 10
        "100.0,200,similar,block,\n",
    )
    assert read.pinned["similar"] == {0: ((2, 1),)}
    assert read.blocked["similar"].tolist() == [1]
    counts = {name: read.info[name] for name in ("unknown_ids", "self_pairs", "repeated", "contradictions", "bad_rows")}
    assert counts == {"unknown_ids": 1, "self_pairs": 1, "repeated": 1, "contradictions": 1, "bad_rows": 4}
    assert read.info["remarks"] == [
        "line 2: there is no product 'nobody' in this category",
        "line 3: '100' is paired with itself",
        "line 4: the action 'pinn' is neither pin nor block",
        "line 5: there is no slot 'sidebar'; the slots are all, goes_with, similar, bought_together",
        "line 6: the rank '0' is not a whole number from 1 to 1,000",
        "line 7: product_id or neighbour is empty",
    ]


def test_a_file_with_a_header_only_pins_nothing(tmp_path):
    assert pins(tmp_path, "product_id,neighbour,slot,action,rank\n").info["rows"] == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "pins.csv: the file is empty; a pins table needs the columns product_id, neighbour, action"),
        ("product_id,neighbour\n1,2\n", "a pins table needs product_id and neighbour and action"),
        (b"\x80\x81\x82,\n", "pins.csv: "),
    ],
)
def test_another_file_is_refused(tmp_path, text, sentence):
    with pytest.raises(InputError) as refused:
        pins(tmp_path, text)
    assert sentence in str(refused.value)


def test_a_missing_file_is_refused_with_its_remedy(tmp_path):
    with pytest.raises(InputError, match="does not exist; create it with the header line `product_id,neighbour,slot"):
        read_pins(tmp_path / "none.csv")


def test_what_is_written_is_read_again_and_no_reader_sees_half_a_file(tmp_path):
    path = tmp_path / "pins.csv"
    many = [Pin("a,1", 'quote "', "similar", "pin", 3), *(Pin(f"p{i}", "q", ALL, BLOCK) for i in range(2000))]
    write_pins(path, many)
    assert [pin for _, pin in read_pins(path)[0]] == many
    sizes, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            sizes.add(len(read_pins(path)[0]))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(10):
        write_pins(path, many[:1000])
        write_pins(path, many)
    stop.set()
    reader.join()
    assert sizes <= {1000, 2001} and [file.name for file in tmp_path.iterdir()] == ["pins.csv"]
