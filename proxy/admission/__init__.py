"""
Which exchanges run, which wait, and which are refused while there is too much to do.

    a request's head -> refused at once? -> a turn in the fair queue -> a slot -> room for its body

The queue is fair between callers: one that sends a flood waits for its own requests,
and others take their turns between them.
"""

from proxy.admission.admission import Admission, Slot
from proxy.admission.limits import AskedLimits, Limits, Machine
from proxy.admission.reporter import AdmissionReporter

__all__ = ["Admission", "AdmissionReporter", "AskedLimits", "Limits", "Machine", "Slot"]
