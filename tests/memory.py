"""Peak memory of a fresh process, as text that a test puts before its code."""

#: Defines ``peak()``, MB. ``ru_maxrss`` would start at the size of the process that forked it, on Linux.
PEAK = """
import resource
def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
"""
