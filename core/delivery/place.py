"""What is delivered, and what every place can do with it.

A place holds the current version and the one before it. A delivery writes a whole new version, reads a sample of it
back, and then makes it current in one step, so that readers see the old lists or the new ones and never a part.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.errors import InputError
from core.progress import Progress
from core.recommendations.form import FinalModels, Recommendations


class ReadBackError(InputError):
    """What was read back from a place is not what was sent; the place still has the earlier version."""


def new_version() -> str:
    """A name for a new version, unique and sorted by time; of the same form as those of the store."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Shipment:
    """What is delivered.

    Attributes:
        category: whose lists they are.
        lists: the lists.
        digest: digest of the artefact that holds them. A version with the same digest is replaced without becoming
            the previous one, so that delivering the same lists again does not cost the way back.
        models: the final models, for the place that takes their vectors.
        version: name of the new version.
    """

    category: str
    lists: Recommendations
    digest: str
    models: FinalModels | None = None
    version: str = field(default_factory=new_version)


@dataclass(frozen=True)
class Version:
    """A version that a place holds.

    Attributes:
        name: the shipment's version.
        digest: the shipment's digest.
        rows: number of entries of all lists, or of vectors.
    """

    name: str
    digest: str
    rows: int


@dataclass(frozen=True)
class Receipt:
    """What came of a delivery.

    Attributes:
        place: name of the place.
        version: name of the version that was delivered.
        digest: the shipment's digest.
        rows: number of rows that the place counts in it.
        compared: number of lists or vectors that were read back from the place and compared.
        problem: how what was read back differs, in a sentence; empty if it does not. With a problem, the place still
            has the earlier version.
        info: ``seconds`` of wall time, and where the place is, without secrets.
    """

    place: str
    version: str
    digest: str
    rows: int
    compared: int
    problem: str = ""
    info: dict[str, Any] = field(default_factory=dict)


class Place(Protocol):
    """Where a shop reads the lists of one category.

    Attributes:
        name: key in ``publish:`` of categories.yaml.
    """

    name: str

    def deliver(self, shipment: Shipment, progress: Progress) -> Receipt:
        """Write a new version, compare it and make it current, and remove what killed deliveries left behind.

        Raises:
            InputError: the place cannot be used; the earlier version is still current.
            ReadBackError: what was read back differs.
        """
        ...

    def current(self) -> Version | None:
        """The version that readers see; None if nothing was delivered yet. Raises InputError as above."""
        ...

    def previous(self) -> Version | None:
        """The version that :meth:`put_back` would make current; None if there is none. Raises InputError as above."""
        ...

    def put_back(self) -> Version:
        """Make the previous version current; the current one becomes the previous one.

        Raises:
            InputError: there is no previous version, or the place cannot be used.
        """
        ...


def deliver(place: Place, shipment: Shipment, progress: Progress) -> Receipt:
    """Deliver, and measure the time.

    Returns:
        A receipt with a problem if what was read back differs.

    Raises:
        InputError: the place cannot be used; the earlier version is still current.
    """
    started = time.monotonic()
    try:
        receipt = place.deliver(shipment, progress)
    except ReadBackError as error:
        receipt = Receipt(place.name, shipment.version, shipment.digest, 0, 0, str(error))
    receipt.info["seconds"] = round(time.monotonic() - started, 3)
    return receipt


def nothing_to_put_back(place: str, category: str) -> InputError:
    """The error of a place that holds no previous version."""
    return InputError(
        f"{place} of {category} has no previous version to put back: it keeps the current version and the one before "
        "it, and only one was delivered"
    )
