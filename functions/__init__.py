"""The entry points: one module is one Lambda function, and each exposes `handler`."""

import gc

# Nothing that an import makes is garbage, and looking for some slows every cold start: `bootstrap.parts` turns the
# collector on again (docs/adr/0007).
gc.disable()
