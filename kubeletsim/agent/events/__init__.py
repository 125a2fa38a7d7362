"""Events on their way out: logged as they happen, then correlated, rate limited and written to a file of JSON lines.

`correlator` is the pure part: what counts as the same event, what as similar, and what is too much. `journal` is the
file. `recorder` joins them, and is what every part of the node gets as its EventRecorder.
"""

from kubeletsim.agent.events.journal import JOURNAL_NAME, EventJournal
from kubeletsim.agent.events.recorder import Recorder, RecordingSettings, log_event

__all__ = ["JOURNAL_NAME", "EventJournal", "Recorder", "RecordingSettings", "log_event"]
