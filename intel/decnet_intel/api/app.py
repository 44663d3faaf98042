"""The application: routes, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy.exc import SQLAlchemyError

from decnet_intel.api.dashboard import Dashboard
from decnet_intel.api.endpoints import artifacts, auth, health, logs, overview, stream
from decnet_intel.api.errors import add_error_answers
from decnet_intel.api.headers import SecurityHeaders
from decnet_intel.api.state import State, make_state
from decnet_intel.service.auth import seed_admin
from decnet_intel.settings import ApiSettings

_RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


def make_routes(lifespan: Any = None) -> FastAPI:
    """The application without settings, which is enough for its OpenAPI document."""
    app = FastAPI(
        title="DECNET",
        summary="What touched the deckies, and what it did.",
        version=version("decnet"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # Swagger UI comes from a CDN, which the content security policy forbids
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    api = APIRouter(prefix="/api/v1")
    for module in (auth, logs, overview, stream, artifacts):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(health.router)
    app.add_middleware(SecurityHeaders)
    add_error_answers(app)
    return app


def create_app(settings: ApiSettings) -> FastAPI:
    """The application as `decnet-intel api` serves it."""
    state = make_state(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(state.wake.run()), asyncio.create_task(_seed(state))]
        yield
        state.wake.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await state.engine.dispose()

    app = make_routes(lifespan)
    app.state.decnet = state
    if settings.dashboard_dir is not None:
        app.mount("/", Dashboard(settings.dashboard_dir), name="dashboard")
    return app


async def _seed(state: State) -> None:
    """Make the first admin as soon as the database is there."""
    password = state.settings.admin_password
    if password is None:
        return
    while True:
        try:
            async with state.sessions.begin() as session:
                await seed_admin(session, state.settings.admin_username, password.get_secret_value())
                return
        except (SQLAlchemyError, OSError) as error:
            log.warning("cannot look for the first admin yet: %s", error)
        await asyncio.sleep(_RETRY_SECONDS)
