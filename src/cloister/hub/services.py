"""What the operations need, made once when the hub starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from cloister.hub.database import Database
from cloister.hub.settings import HubSettings


@dataclass(frozen=True, slots=True)
class Services:
    """One hub's parts. `closing` is set when the server begins to stop: long answers end then."""

    settings: HubSettings
    database: Database
    closing: asyncio.Event = field(default_factory=asyncio.Event)


def _services(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


Hub = Annotated[Services, Depends(_services)]
"""For the signature of an operation."""
