"""The function of the stage queue `embedding`."""

from steersman.bootstrap import parts
from steersman.tasks.stage_function import StageFunction

handler = StageFunction("embedding", parts)
