"""The function of the stage queue `responses`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("responses", parts)
