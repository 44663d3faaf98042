"""What can go wrong with the API server."""

from __future__ import annotations


class KubeError(Exception):
    """A call failed. `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def conflict(self) -> bool:
        """Somebody else was faster; looking again helps."""
        return self.status == 409

    @property
    def invalid(self) -> bool:
        """The server will not have this object, whenever asked."""
        return self.status == 422


class GoneError(KubeError):
    """There is no such object."""
