"""What can go wrong with the local cloud, told so that a newcomer can act on it."""

from pathlib import Path

from steersman.errors import SteersmanError


class LocalCloudError(SteersmanError):
    """A part of the local cloud could not do its work.

    `log` is the file that tells more (None where there is none), `advice` what the user can do about it.
    """

    code = "local_cloud"

    def __init__(self, message: str, *, log: Path | None = None, advice: str = "") -> None:
        super().__init__(message)
        self.log = log
        self.advice = advice


class BusyPortError(LocalCloudError):
    """The port that a part needs belongs to a process that is not ours."""

    code = "port_busy"
