"""The function of the stage queue `websearch`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("websearch", parts)
