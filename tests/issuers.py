"""The hub's own signing key, as whoever has its folder has it."""

from __future__ import annotations

from cloister.hub.database import open_database
from cloister.hub.issuer import Issuer
from cloister.hub.settings import HubSettings
from cloister.hub.signing import open_signing_keys


def open_issuer(settings: HubSettings) -> Issuer:
    """Who signs on that folder now; made at the first call."""
    with open_database(settings) as database:
        signing = open_signing_keys(settings, database)
        issuer = database.read(lambda session: signing.issuer(session, None))
    assert issuer is not None
    return issuer


def shown_keys(settings: HubSettings) -> list[dict[str, str]]:
    """The JWKS entries that the hub on that folder shows."""
    with open_database(settings) as database:
        return database.read(open_signing_keys(settings, database).shown)
