"""The function of the stage queue `intent`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("intent", parts)
