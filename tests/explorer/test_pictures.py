"""What data can make a browser load or a page render: pictures and Markdown."""

import ipaddress
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.untrusted import hosts
from core.untrusted.markdown import plain
from explorer.shared.formatting import web_image
from orchestration.metadata import table
from tests import explorer_fixture as fixture
from tests import explorer_pages


@given(st.text(max_size=60))
def test_plain_leaves_no_active_sign(text):
    """All ASCII punctuation is escaped by a backslash, so no Markdown construct can start."""
    rest = re.sub(r"\\[!-/:-@\[-`{-~]", "", plain(text))
    assert not re.search(r"[!-/:-@\[-`{-~]", rest)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/x.png",
        "http://127.1/x.png",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0:8080/",
        "http://127.0.0.1./",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://99999999999/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fc00::1]/",
        "http://localhost/",
        "http://LOCALHOST:3000/",
        "http://localhost./",
        "http://a.localhost/",
        "http://printer.local/",
        "http://printer.local./",
        "http://metadata.google.internal/",
        "http://nas.home.arpa/",
        "http://intranet/",
        "https://user@example.com/x.png",
        "https://user:pw@example.com/x.png",
        "https://@example.com/x.png",
        "http://example.com\\@127.0.0.1/",
        "http:\\\\127.0.0.1\\x.png",
        "http:127.0.0.1/x.png",
        "http:///127.0.0.1/x.png",
        "//127.0.0.1/x.png",
        "http://exa mple.com/",
        "http://example.com/\nx",
        " http://example.com/x.png",
        "http://example.com:port/",
        "http://example.com:99999/",
        "http://a..example.com/",
        "ftp://example.com/x.png",
        "file:///etc/passwd",
        "data:image/svg+xml,<svg/>",
        "javascript:alert(1)",
        "blob:https://example.com/x",
        "",
        None,
        float("nan"),
    ],
)
def test_no_picture_reaches_into_a_private_network(address):
    assert web_image(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://images-na.ssl-images-amazon.com/images/I/51a%2Bb.jpg",
        "http://ecx.images-amazon.com/images/I/x._SY300_.jpg?a=1#b",
        "https://8.8.8.8/x.png",
        "https://[2606:4700:4700::1111]:8443/x.png",
        "https://bücher.example.de/ä.png",
        "https://cdn_1.shop.example.com/x.png",
        "https://local.example.com/x.png",
        "HTTPS://Example.COM./x.png",
    ],
)
def test_pictures_of_shops_are_shown(address):
    assert web_image(address) == address


def spellings(address):
    a, b, c, d = ipaddress.IPv4Address(address).packed
    whole = int(ipaddress.IPv4Address(address))
    return [
        str(whole), hex(whole), oct(whole).replace("0o", "0"), f"{a}.{whole & 0xFFFFFF}", f"{a}.{b}.{(c << 8) + d}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.{b}.{c:#x}.{d}", f"{a}.{b}.{c}.{d}.", f"[::ffff:{a}.{b}.{c}.{d}]",
        f"[64:ff9b::{a}.{b}.{c}.{d}]",
    ]  # fmt: skip


@given(st.ip_addresses(v=4) | st.sampled_from(["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8", "192.168.0.9"]))
def test_every_spelling_of_an_address_is_judged_alike(address):
    """The reference is Python's own tables for the address in its usual form."""
    plainly = ipaddress.IPv4Address(address)
    public = plainly.is_global and not plainly.is_multicast
    for host in spellings(str(address)):
        assert (web_image(f"http://{host}/x.png") is not None) == public, host
    assert (hosts.reach(str(plainly)) is hosts.Reach.PUBLIC) == public


_ACTIVE = ["![x](http://evil.example/x.png)", "<img src=http://evil.example/x.png>", "[a](http://evil.example)"]
_ACTIVE += ["http://evil.example/x.png", "www.evil.example", "a@evil.example", "![x][y]\n\n[y]: http://evil.example/"]
_ACTIVE += ["`a` *b* | c", "a|b\n|--|--|", "&lt;img src=x&gt;", "<!-- a", "\\![x](http://evil.example/y)"]
_RENDER = MarkdownIt("gfm-like", {"linkify": False}).enable("table")


@given(st.sampled_from(_ACTIVE) | st.text("![]()<>|\\`*_~#@&;:/.-+= \nabhtpsw", max_size=40))
def test_titles_in_dagsters_tables_stand_for_themselves(title):
    cut = title if len(title) <= 60 else title[:57] + "..."
    markdown = table(pa.table({"product_id": ["a"], "title": [title]})).md_str
    assert plain(cut) in markdown
    tokens = _RENDER.parse(markdown)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"image", "link_open", "html_inline", "html_block", "code_inline", "strong_open", "em_open"}
    cells = [token.content for token in tokens if token.type == "inline"]
    assert len(cells) == 4 and kinds >= {"table_open"}
    shown = "".join(child.content for child in tokens[-6].children or ()) if tokens[-6].type == "inline" else None
    assert shown is None or shown.replace("\u2060", "") == " ".join(cut.split())


def test_an_input_error_in_the_explorer_is_text(tmp_path, monkeypatch):
    wrong = tmp_path / "categories.yaml"
    image = "![x](https://evil.example/x.png)"
    wrong.write_text(f'categories: {{alpha: {{source: sample, "{image}": 1}}}}\n')
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(wrong))
    at = explorer_pages.start(monkeypatch, fixture.write(tmp_path / "full"))
    [warning] = at.sidebar.warning
    assert "unknown key" in warning.value.replace("\\", "") and image not in warning.value
    assert not [t for t in MarkdownIt().parse(warning.value) for child in t.children or () if child.type == "image"]
