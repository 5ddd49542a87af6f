"""Times as shops write them, against Python's own datetime."""

import datetime as dt
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.orders.times import NO_TIME, TimeReader, check_zone

NOON = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
MS = int(NOON.timestamp() * 1000)


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T12:00:00Z", "2026-03-01 12:00:00", "2026-03-01T12:00", "2026-03-01T13:00:00+01:00",
     " 2026-03-01 12:00:00.000 ", "20260301T120000Z", str(MS), str(MS // 1000), f"{MS // 1000}.0", str(MS * 1000)],
)  # fmt: skip
@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_one_moment_in_many_forms(text, kind):
    assert TimeReader().read(pa.array([text.encode(), None], pa.binary()).cast(kind)).tolist() == [MS, NO_TIME]


def test_typed_columns():
    assert TimeReader().read(pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("us"))).tolist() == [MS, NO_TIME]
    assert TimeReader().read(pa.array([MS // 1000], pa.int64())).tolist() == [MS]
    assert TimeReader().read(pa.array([MS / 1000.0])).tolist() == [MS]
    assert TimeReader().read(pa.array([NOON.date()])).tolist() == [MS - 12 * 3_600_000]
    berlin = TimeReader(zone="Europe/Berlin").read(pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")))
    assert berlin.tolist() == [MS - 3_600_000]


@given(
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York"]),
)
def test_a_zone_is_that_of_times_that_do_not_state_theirs(moment, zone):
    moment = moment.replace(microsecond=0)
    local = moment.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    exists = local.astimezone(dt.UTC).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None) == moment
    texts = [moment.isoformat(), moment.isoformat() + "Z"]
    found = TimeReader(zone=zone).read(pa.array(texts))
    if exists:
        assert found[0] == int(local.timestamp() * 1000)
    assert found[1] == int(moment.replace(tzinfo=dt.UTC).timestamp() * 1000)


def test_a_form_is_taken_at_its_word():
    text = pa.array(["01/12/2010 08:26", "31/01/2011 10:00"])
    found = TimeReader(form="%d/%m/%Y %H:%M").read(text)
    expected = [dt.datetime(2010, 12, 1, 8, 26, tzinfo=dt.UTC), dt.datetime(2011, 1, 31, 10, 0, tzinfo=dt.UTC)]
    assert found.tolist() == [int(moment.timestamp() * 1000) for moment in expected]


def test_forms_that_cannot_be_told_are_a_sentence():
    with pytest.raises(InputError, match=r"'12/1/2010 8:26'.*time_format"):
        TimeReader().read(pa.array(["12/1/2010 8:26", "12/2/2010 9:00"]))
    with pytest.raises(InputError, match=r"'1772366400' and '2026-03-01T12:00:00Z'"):
        TimeReader().read(pa.array(["1772366400", "2026-03-01T12:00:00Z"]))
    reader = TimeReader()
    reader.read(pa.array(["2026-03-01"]))
    with pytest.raises(InputError, match="in two forms"):
        reader.read(pa.array(["1772366400"]))
    with pytest.raises(InputError, match="not a time zone"):
        check_zone("Mars/Base")


def test_single_bad_values_are_no_time():
    found = TimeReader().read(pa.array(["2026-03-01T12:00:00Z", "soon", "", None]))
    assert found.tolist() == [MS, NO_TIME, NO_TIME, NO_TIME]
    assert found.dtype == np.int64
