"""The table of secrets and personal data that are never stored, and the search for them."""

from typing import Final

from proxy.security.sensitive.credentials import HEADERS, IN_URLS, PRIVATE_KEYS_AND_TOKENS
from proxy.security.sensitive.finding import Finder
from proxy.security.sensitive.kinds import Kind
from proxy.security.sensitive.machines import MACHINES
from proxy.security.sensitive.named import NAMED
from proxy.security.sensitive.people import ACCOUNTS, CARDS, MAIL
from proxy.security.sensitive.telephones import TELEPHONES
from proxy.security.sensitive.vendors import VENDORS, VENDORS_BY_INFIX

KINDS: Final[tuple[Kind, ...]] = (
    *PRIVATE_KEYS_AND_TOKENS,
    *IN_URLS,
    *VENDORS,
    *HEADERS,
    *NAMED,
    *VENDORS_BY_INFIX,
    *MAIL,
    *ACCOUNTS,
    *MACHINES,
    *TELEPHONES,
    *CARDS,
)

__all__ = ["KINDS", "Finder", "Kind"]
