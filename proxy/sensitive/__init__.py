"""What may not be kept, as a table of kinds, and the way to find it."""

from typing import Final

from proxy.sensitive.credentials import HEADERS, IN_URLS, WITH_A_SHAPE
from proxy.sensitive.finding import Finder
from proxy.sensitive.kinds import Kind
from proxy.sensitive.machines import MACHINES
from proxy.sensitive.named import NAMED
from proxy.sensitive.people import ACCOUNTS, CARDS, MAIL
from proxy.sensitive.telephones import TELEPHONES
from proxy.sensitive.vendors import VENDORS, VENDORS_BY_THEIR_MIDST

KINDS: Final[tuple[Kind, ...]] = (
    *WITH_A_SHAPE,
    *IN_URLS,
    *VENDORS,
    *HEADERS,
    *NAMED,
    *VENDORS_BY_THEIR_MIDST,
    *MAIL,
    *ACCOUNTS,
    *MACHINES,
    *TELEPHONES,
    *CARDS,
)

__all__ = ["KINDS", "Finder", "Kind"]
